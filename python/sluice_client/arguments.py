"""What callers may write, as the wire wants it."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Iterable, List, Optional, Union

from google.protobuf import timestamp_pb2

from ._gen import api_pb2, presence_pb2
from .errors import InvalidArgument

#: A datetime with a time zone, or Unix time in seconds.
Time = Union[datetime, int, float]
#: One name, or several.
Names = Union[str, Iterable[str]]

_ORDERS = {"entry": api_pb2.SENSOR_ORDER_ENTRY, "device_time": api_pb2.SENSOR_ORDER_DEVICE_TIME}
_STATES = {
    "": presence_pb2.PRESENCE_STATE_UNSPECIFIED,
    "up": presence_pb2.PRESENCE_STATE_UP,
    "suspect": presence_pb2.PRESENCE_STATE_SUSPECT,
    "down": presence_pb2.PRESENCE_STATE_DOWN,
}


def names(value: Names) -> List[str]:
    """Returns names as a list. A string is one name, not its letters."""
    return [value] if isinstance(value, str) else list(value)


def seconds(field: str, value: Optional[Time]) -> float:
    """Returns a time as Unix seconds, unrounded."""
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise InvalidArgument(f"{field}: {value} has no time zone; write datetime(..., tzinfo=timezone.utc)")
        return value.timestamp()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidArgument(f"{field}: {value!r} is neither a datetime nor Unix time in seconds")
    return value


def start(value: Optional[Time]) -> int:
    """Returns from_epoch. Readings are of whole seconds, so that rounding up
    leaves none out and lets none in."""
    return 0 if value is None else _not_before_1970("start", seconds("start", value))


def end(value: Optional[Time]) -> int:
    """Returns to_epoch, rounded up as by start. 0 would mean no bound to the
    server, so it is refused."""
    if value is None:
        return 0
    epoch = _not_before_1970("end", seconds("end", value))
    if epoch == 0:
        raise InvalidArgument("end: nothing was read before 1970; leave it out for no bound")
    return epoch


def timestamp(field: str, value: Time) -> timestamp_pb2.Timestamp:
    """Returns a time in whole microseconds, as the server has them."""
    micros = round(seconds(field, value) * 1e6)
    return timestamp_pb2.Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def _not_before_1970(field: str, value: float) -> int:
    if value < 0:
        raise InvalidArgument(f"{field}: {value} is before 1970")
    return math.ceil(value)


def bucket(value: Union[int, timedelta]) -> int:
    """Returns the length of a span in seconds, which must be whole."""
    length = value.total_seconds() if isinstance(value, timedelta) else value
    if length < 0 or length != int(length):
        raise InvalidArgument(f"bucket: {length} is not a whole number of seconds, 0 or more")
    return int(length)


def order(value: str) -> api_pb2.SensorOrder:
    """Returns the value of SensorOrder."""
    if value not in _ORDERS:
        raise InvalidArgument(f"order: {value!r} is unknown; use {' or '.join(_ORDERS)}")
    return _ORDERS[value]


def state(value: str) -> presence_pb2.PresenceState:
    """Returns the value of PresenceState; empty means any."""
    if value not in _STATES:
        raise InvalidArgument(f"state: {value!r} is unknown; use up, suspect or down")
    return _STATES[value]
