#!/usr/bin/env python3
"""Checks a fresh database after four runs of one device that answers four pulses:
its rows must be exactly entry_id 1 to 16, each once. The environment tells the
API: SLUICE_TARGET (127.0.0.1:3000), and SLUICE_CA, SLUICE_CERT, SLUICE_KEY for TLS.
"""

import os
import sys
from collections import Counter

from sluice_client import Client, SluiceError

RUNS, PULSES = 4, 4


def check(entry_ids: "list[int]") -> "list[str]":
    """Returns what is wrong, in words."""
    seen, wanted = Counter(entry_ids), range(1, RUNS * PULSES + 1)
    faults = [f"entry_id {i} is missing" for i in wanted if i not in seen]
    faults += [f"entry_id {i} came {n} times" for i, n in sorted(seen.items()) if n > 1]
    faults += [f"entry_id {i} is too many" for i in sorted(seen) if i not in wanted]
    if not faults and entry_ids != list(wanted):
        faults.append(f"the order is {entry_ids}")
    return faults


def main() -> int:
    env = os.environ.get
    try:
        with Client(env("SLUICE_TARGET", "127.0.0.1:3000"), env("SLUICE_CA"), env("SLUICE_CERT"), env("SLUICE_KEY")) as c:
            faults = check([row.entry_id for row in c.rows()])
    except SluiceError as error:
        faults = [str(error)]
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        return 1
    print("Tests passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
