"""What the lists hold. Times are datetimes in UTC, None means never or not known.
States and causes are words, empty for none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, Optional, Tuple

from ._gen import api_pb2, presence_pb2

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Device:
    """What is known of a device."""

    facility: str
    device: str
    #: up, suspect (its last will was seen, the delay is running) or down.
    state: str
    #: How many times it has connected, 0 or more.
    generation: int
    connected_at: Optional[datetime]
    #: When a message of it was last seen, in steps of at most 30 s.
    seen_at: Optional[datetime]
    #: Suspect, down: since when nothing was heard of it.
    lost_at: Optional[datetime]
    #: When its last outage began.
    down_at: Optional[datetime]
    #: Why that outage began: lwt, silent, grace.
    cause: str
    #: More than three outages within ten minutes, until there was none for ten.
    flapping: bool
    #: Until when an operator wants no reports of it.
    muted_until: Optional[datetime]


@dataclass(frozen=True)
class Outage:
    """One outage of a device."""

    facility: str
    device: str
    down_at: Optional[datetime]
    #: None while it lasts.
    up_at: Optional[datetime]
    lost_at: Optional[datetime]
    #: Why it began: lwt, silent, grace.
    cause: str
    #: How it ended: connect, data, forgotten, lost, unknown; empty while it lasts.
    end: str
    #: No report was wanted.
    muted: bool
    #: began, goes_on; empty when the device does not flap.
    flap: str
    #: Reports that were accepted: receiver, colon, id of the report.
    report_ids: Tuple[str, ...]


@dataclass(frozen=True)
class Route:
    """State of a route: received = stored + duplicate + dead + sum of dropped + queued."""

    facility: str
    route: str
    received: int
    stored: int
    duplicate: int
    dead: int
    #: Messages acknowledged and not stored, by cause.
    dropped: Dict[str, int]
    queued: int
    batches: int
    #: Bytes that the queued messages occupy.
    bytes: int
    #: Age of the oldest queued message in seconds, 0 without one.
    oldest_age: float
    #: Messages received per second of late.
    rate: float
    #: Why it is halted; empty when it is not.
    halted: str
    halted_since: Optional[datetime]
    updated_at: Optional[datetime]


@dataclass(frozen=True)
class DeadLetter:
    """A message that could never be handled. Its text comes from outside."""

    id: int
    facility: str
    route: str
    device: str
    topic: str
    #: Empty when payload_size is more than 65536.
    payload: bytes
    #: Bytes of the payload.
    payload_size: int
    received: Optional[datetime]
    #: A short constant: decode, device_name, conflict, ...
    reason: str
    #: SQLSTATE where the database refused it, else empty.
    code: str
    #: More for a person, else empty.
    detail: str
    #: When the router gave it up.
    at: Optional[datetime]


@dataclass(frozen=True)
class Bucket:
    """Sums up a device's readings of a span of time."""

    facility: str
    device: str
    #: When the span begins: Unix time in seconds; 0 when there is one span.
    epoch: int
    count: int
    temp_min: float
    temp_avg: float
    temp_max: float
    rh_min: float
    rh_avg: float
    rh_max: float

    @property
    def time(self) -> datetime:
        """When the span begins, in UTC."""
        return datetime.fromtimestamp(self.epoch, timezone.utc)


def device(m: Any) -> Device:
    """Returns what a message Device says."""
    return Device(
        m.facility, m.device, _word(presence_pb2.PresenceState, m.state), m.generation, _time(m, "connected_at"),
        _time(m, "seen_at"), _time(m, "lost_at"), _time(m, "down_at"), _word(presence_pb2.PresenceCause, m.cause),
        m.flapping, _time(m, "muted_until"),
    )


def outage(m: Any) -> Outage:
    """Returns what a message Outage says."""
    return Outage(
        m.facility, m.device, _time(m, "down_at"), _time(m, "up_at"), _time(m, "lost_at"),
        _word(presence_pb2.PresenceCause, m.cause), _word(api_pb2.OutageEnd, m.end), m.muted,
        _word(presence_pb2.PresenceFlap, m.flap), tuple(m.report_ids),
    )


def route(m: Any) -> Route:
    """Returns what a message Route says."""
    return Route(
        m.facility, m.route, m.received, m.stored, m.duplicate, m.dead, dict(m.dropped), m.queued, m.batches,
        m.bytes, m.oldest_age, m.rate, m.halted, _time(m, "halted_since"), _time(m, "updated_at"),
    )


def dead_letter(m: Any) -> DeadLetter:
    """Returns what a message DeadLetter says."""
    return DeadLetter(
        m.id, m.facility, m.route, m.device, m.topic, m.payload, m.payload_size, _time(m, "received"), m.reason,
        m.code, m.detail, _time(m, "at"),
    )


def bucket(m: Any) -> Bucket:
    """Returns what a message SensorBucket says."""
    return Bucket(
        m.facility, m.device, m.epoch, m.count, m.temp_min, m.temp_avg, m.temp_max, m.rh_min, m.rh_avg, m.rh_max
    )


def _time(m: Any, field: str) -> Optional[datetime]:
    if not m.HasField(field):
        return None
    stamp = getattr(m, field)
    return _UNIX_EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def _word(enum: Any, number: int) -> str:
    """Returns the name of a value without its prefix, in lower case; empty for 0,
    "unknown" for a value of a newer server."""
    if number == 0:
        return ""
    if number not in enum.values():
        return "unknown"
    unspecified: str = enum.Name(0)
    name: str = enum.Name(number)
    return name[len(unspecified) - len("UNSPECIFIED") :].lower()
