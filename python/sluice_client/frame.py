"""Rows as a pandas DataFrame, which is an optional dependency."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List

#: The columns, in the order of Row; `time` follows.
COLUMNS = ("facility", "facility_id", "entry_id", "device", "temp", "rh", "epoch")
_SINGLE = {"temp": "float32", "rh": "float32"}


def of_chunks(chunks: Iterable[Any]) -> Any:
    """Returns a DataFrame with the rows of SensorChunks: what Row has, and `time`
    in UTC. Memory holds all rows. ImportError says how to get pandas."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_pandas needs pandas: pip install 'sluice-client[pandas]'") from error
    columns = _columns(chunks)
    frame = pandas.DataFrame(columns).astype({"facility_id": "int32", "entry_id": "int64", "epoch": "int64", **_SINGLE})
    frame["time"] = pandas.to_datetime(frame["epoch"], unit="s", utc=True)
    return frame


def _columns(chunks: Iterable[Any]) -> Dict[str, List[Any]]:
    columns: Dict[str, List[Any]] = {name: [] for name in COLUMNS}
    for chunk in chunks:
        n = len(chunk.entry_id)
        columns["facility"] += [chunk.facility] * n
        columns["facility_id"] += [chunk.facility_id] * n
        for name in COLUMNS[2:]:
            columns[name] += getattr(chunk, name)
    return columns
