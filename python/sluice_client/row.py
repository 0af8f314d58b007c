"""A reading as it is stored."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import datetime, timezone
from typing import Any, Iterator, Tuple


@dataclass(frozen=True)
class Row:
    """One reading of a device. Safe to share: it never changes."""

    # By hand: dataclass(slots=True) needs Python 3.10.
    __slots__ = ("facility", "facility_id", "entry_id", "device", "temp", "rh", "epoch")

    #: Name of the facility; empty in rows of `Client.legacy_rows`.
    facility: str
    #: Its number, 1 or more.
    facility_id: int
    #: The row's number within its facility, from 1, in the order of storing.
    entry_id: int
    #: The device's name, 1 to 64 characters.
    device: str
    #: Temperature in degrees Celsius, in single precision.
    temp: float
    #: Relative humidity in percent, in single precision.
    rh: float
    #: When the reading was taken: Unix time in seconds.
    epoch: int

    @property
    def time(self) -> datetime:
        """When the reading was taken, in UTC."""
        return datetime.fromtimestamp(self.epoch, timezone.utc)

    def __reduce__(self) -> Tuple[Any, ...]:
        # Unpickling must not assign: that is what frozen forbids.
        return Row, astuple(self)


def rows_of(chunk: Any) -> Iterator[Row]:
    """Yields the rows of a SensorChunk, whose columns have one length."""
    facility, number = chunk.facility, chunk.facility_id
    for entry_id, device, temp, rh, epoch in zip(chunk.entry_id, chunk.device, chunk.temp, chunk.rh, chunk.epoch):
        yield Row(facility, number, entry_id, device, temp, rh, epoch)
