"""The servers that a test module was started with."""

from __future__ import annotations

import json
import os
import time
import unittest
import urllib.request
from typing import Any, Callable, List

from sluice_client import Client, Row

#: The same database behind both, as host:port.
PLAIN = os.environ.get("SLUICE_TEST_PLAIN", "")
TLS = os.environ.get("SLUICE_TEST_TLS", "")
#: Folder with ca.crt and, for each client of the TLS one, NAME.crt and NAME.key.
CERTS = os.environ.get("SLUICE_TEST_CERTS", "")

_CONTROL = os.environ.get("SLUICE_TEST_CONTROL", "")

#: Seconds for what takes moments, on a busy machine too.
PATIENCE = 60.0


def tls(name: str, **options: Any) -> Client:
    """Returns a client with that client's certificate."""
    return Client(TLS, file("ca.crt"), file(name + ".crt"), file(name + ".key"), **options)


def file(name: str) -> str:
    """Returns the path of a file of CERTS."""
    return os.path.join(CERTS, name)


def control(action: str, body: str = "") -> Any:
    """Has the servers' owner do something: sql, restart, kill, streams."""
    request = urllib.request.Request(f"http://{_CONTROL}/{action}", data=body.encode())
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return json.load(response)


def sql(statement: str) -> List[List[Any]]:
    """Runs a statement in the database and returns its rows."""
    rows: List[List[Any]] = control("sql", statement)
    return rows


def stored(where: str = "true", order: str = "facility_id, entry_id") -> List[Row]:
    """Returns rows of the database, read without the API."""
    return [
        Row(*values)
        for values in sql(
            "SELECT name, facility_id, entry_id, device, temp::float8, rh::float8, epoch"
            f" FROM data.sensor JOIN data.facility USING (facility_id) WHERE {where} ORDER BY {order}"
        )
    ]


def store(n: int, facility: int = 1) -> None:
    """Stores n readings as a router does: numbered behind the last one, at once."""
    sql(
        f"WITH c AS (UPDATE sluice.entry_counter SET last_id = last_id + {n} WHERE facility_id = {facility}"
        " RETURNING last_id, facility_id) INSERT INTO data.sensor (entry_id, facility_id, device, temp, rh, epoch)"
        f" SELECT last_id - {n} + i, facility_id, 'live', i, 50, 1900000000 + last_id - {n} + i"
        f" FROM c, generate_series(1, {n}) i"
    )


def eventually(test: unittest.TestCase, what: str, check: Callable[[], bool]) -> None:
    """Waits until check passes."""
    deadline = time.monotonic() + PATIENCE
    while not check():
        if time.monotonic() > deadline:
            test.fail(f"not within {PATIENCE} s: {what}")
        time.sleep(0.01)
