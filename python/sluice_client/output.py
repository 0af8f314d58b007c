"""The formats of the command."""

from __future__ import annotations

import csv
import json
import struct
from typing import Any, Callable, Dict, Iterable, TextIO

from .row import Row

_COLUMNS = ("facility", "facility_id", "entry_id", "device", "temp", "rh", "epoch")


def write_table(rows: Iterable[Row], out: TextIO) -> None:
    """Writes aligned columns; a longer name moves the rest of its line."""
    out.write(f"{'time (UTC)':<19}  {'facility':<16} {'entry':>10}  {'device':<24} {'temp':>8} {'rh':>7}\n")
    for r in rows:
        time = r.time.strftime("%Y-%m-%d %H:%M:%S")
        out.write(f"{time}  {r.facility:<16} {r.entry_id:>10}  {r.device:<24} {r.temp:>8.2f} {r.rh:>7.2f}\n")


def write_csv(rows: Iterable[Row], out: TextIO) -> None:
    """Writes a line of names, then a line per row."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow(_values(row).values())


def write_json(rows: Iterable[Row], out: TextIO) -> None:
    """Writes an object per line (NDJSON)."""
    for row in rows:
        out.write(json.dumps(_values(row)) + "\n")


FORMATS: Dict[str, Callable[[Iterable[Row], TextIO], None]] = {
    "table": write_table,
    "csv": write_csv,
    "json": write_json,
}


def _values(row: Row) -> Dict[str, Any]:
    values = {name: getattr(row, name) for name in _COLUMNS}
    values["temp"], values["rh"] = shortest(row.temp), shortest(row.rh)
    return values


def shortest(value: float) -> float:
    """Returns the number with the fewest digits that is value in single precision:
    21.1, not 21.100000381469727. value must be one in single precision."""
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        if _single(short) == value:
            return short
    return float(f"{value:.9g}")


def _single(value: float) -> Any:
    return struct.unpack("f", struct.pack("f", value))[0]
