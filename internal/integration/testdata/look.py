"""Prints what the API tells of a facility, as JSON. The environment names the API:
SLUICE_TARGET, SLUICE_CA, SLUICE_CERT, SLUICE_KEY."""

import json
import os
from collections import Counter

from sluice_client import Client

env = os.environ
with Client(env["SLUICE_TARGET"], env["SLUICE_CA"], env["SLUICE_CERT"], env["SLUICE_KEY"], timeout=20) as client:
    rows = list(client.rows())
    print(json.dumps({
        "rows": Counter(row.device for row in rows),
        "doubled": len(rows) - len({(row.device, row.epoch) for row in rows}),
        "ids": [row.entry_id for row in rows] == list(range(1, len(rows) + 1)),
        "devices": {d.device: d.state for d in client.devices()},
        "outages": sorted(o.device for o in client.outages()),
    }))
