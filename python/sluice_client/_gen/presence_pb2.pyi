from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
PRESENCE_CAUSE_CONNECT: PresenceCause
PRESENCE_CAUSE_DATA: PresenceCause
PRESENCE_CAUSE_GRACE: PresenceCause
PRESENCE_CAUSE_LWT: PresenceCause
PRESENCE_CAUSE_SILENT: PresenceCause
PRESENCE_CAUSE_UNSPECIFIED: PresenceCause
PRESENCE_FLAP_BEGAN: PresenceFlap
PRESENCE_FLAP_GOES_ON: PresenceFlap
PRESENCE_FLAP_UNSPECIFIED: PresenceFlap
PRESENCE_KIND_BROKER_RESTART: PresenceKind
PRESENCE_KIND_CHANGED: PresenceKind
PRESENCE_KIND_FORGOTTEN: PresenceKind
PRESENCE_KIND_OUTAGE: PresenceKind
PRESENCE_KIND_RECOVERY: PresenceKind
PRESENCE_KIND_REPORTED: PresenceKind
PRESENCE_KIND_STEADY: PresenceKind
PRESENCE_KIND_UNSPECIFIED: PresenceKind
PRESENCE_STATE_DOWN: PresenceState
PRESENCE_STATE_SUSPECT: PresenceState
PRESENCE_STATE_UNSPECIFIED: PresenceState
PRESENCE_STATE_UP: PresenceState

class PresenceEvent(_message.Message):
    __slots__ = ["alive", "at", "cause", "connected_at", "device", "down_at", "flap", "generation", "kind", "lost_at", "muted", "muted_until", "outages", "receiver", "report", "seen_at", "state", "version"]
    ALIVE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_AT_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    DOWN_AT_FIELD_NUMBER: _ClassVar[int]
    FLAP_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LOST_AT_FIELD_NUMBER: _ClassVar[int]
    MUTED_FIELD_NUMBER: _ClassVar[int]
    MUTED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    OUTAGES_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    SEEN_AT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    alive: int
    at: int
    cause: PresenceCause
    connected_at: int
    device: str
    down_at: int
    flap: PresenceFlap
    generation: int
    kind: PresenceKind
    lost_at: int
    muted: bool
    muted_until: int
    outages: int
    receiver: str
    report: str
    seen_at: int
    state: PresenceState
    version: int
    def __init__(self, kind: _Optional[_Union[PresenceKind, str]] = ..., device: _Optional[str] = ..., state: _Optional[_Union[PresenceState, str]] = ..., cause: _Optional[_Union[PresenceCause, str]] = ..., at: _Optional[int] = ..., generation: _Optional[int] = ..., connected_at: _Optional[int] = ..., seen_at: _Optional[int] = ..., lost_at: _Optional[int] = ..., down_at: _Optional[int] = ..., outages: _Optional[int] = ..., alive: _Optional[int] = ..., muted: bool = ..., flap: _Optional[_Union[PresenceFlap, str]] = ..., version: _Optional[int] = ..., muted_until: _Optional[int] = ..., receiver: _Optional[str] = ..., report: _Optional[str] = ...) -> None: ...

class PresenceState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class PresenceCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class PresenceKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class PresenceFlap(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
