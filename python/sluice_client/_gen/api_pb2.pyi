from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sluice_client._gen import presence_pb2 as _presence_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
OUTAGE_END_CONNECT: OutageEnd
OUTAGE_END_DATA: OutageEnd
OUTAGE_END_FORGOTTEN: OutageEnd
OUTAGE_END_LOST: OutageEnd
OUTAGE_END_UNKNOWN: OutageEnd
OUTAGE_END_UNSPECIFIED: OutageEnd
SENSOR_ORDER_DEVICE_TIME: SensorOrder
SENSOR_ORDER_ENTRY: SensorOrder
SENSOR_ORDER_UNSPECIFIED: SensorOrder

class AggregateSensorRequest(_message.Message):
    __slots__ = ["bucket_seconds", "devices", "facilities", "from_epoch", "page_size", "page_token", "to_epoch"]
    BUCKET_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    FACILITIES_FIELD_NUMBER: _ClassVar[int]
    FROM_EPOCH_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TO_EPOCH_FIELD_NUMBER: _ClassVar[int]
    bucket_seconds: int
    devices: _containers.RepeatedScalarFieldContainer[str]
    facilities: _containers.RepeatedScalarFieldContainer[str]
    from_epoch: int
    page_size: int
    page_token: str
    to_epoch: int
    def __init__(self, facilities: _Optional[_Iterable[str]] = ..., devices: _Optional[_Iterable[str]] = ..., from_epoch: _Optional[int] = ..., to_epoch: _Optional[int] = ..., bucket_seconds: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class AggregateSensorResponse(_message.Message):
    __slots__ = ["buckets", "next_page_token"]
    BUCKETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    buckets: _containers.RepeatedCompositeFieldContainer[SensorBucket]
    next_page_token: str
    def __init__(self, buckets: _Optional[_Iterable[_Union[SensorBucket, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeadLetter(_message.Message):
    __slots__ = ["at", "code", "detail", "device", "facility", "id", "payload", "payload_size", "reason", "received", "route", "topic"]
    AT_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    FACILITY_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_SIZE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    code: str
    detail: str
    device: str
    facility: str
    id: int
    payload: bytes
    payload_size: int
    reason: str
    received: _timestamp_pb2.Timestamp
    route: str
    topic: str
    def __init__(self, id: _Optional[int] = ..., facility: _Optional[str] = ..., route: _Optional[str] = ..., device: _Optional[str] = ..., topic: _Optional[str] = ..., payload: _Optional[bytes] = ..., payload_size: _Optional[int] = ..., received: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ..., code: _Optional[str] = ..., detail: _Optional[str] = ..., at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ["cause", "connected_at", "device", "down_at", "facility", "flapping", "generation", "lost_at", "muted_until", "seen_at", "state"]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_AT_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    DOWN_AT_FIELD_NUMBER: _ClassVar[int]
    FACILITY_FIELD_NUMBER: _ClassVar[int]
    FLAPPING_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    LOST_AT_FIELD_NUMBER: _ClassVar[int]
    MUTED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    SEEN_AT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    cause: _presence_pb2.PresenceCause
    connected_at: _timestamp_pb2.Timestamp
    device: str
    down_at: _timestamp_pb2.Timestamp
    facility: str
    flapping: bool
    generation: int
    lost_at: _timestamp_pb2.Timestamp
    muted_until: _timestamp_pb2.Timestamp
    seen_at: _timestamp_pb2.Timestamp
    state: _presence_pb2.PresenceState
    def __init__(self, facility: _Optional[str] = ..., device: _Optional[str] = ..., state: _Optional[_Union[_presence_pb2.PresenceState, str]] = ..., generation: _Optional[int] = ..., connected_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., seen_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., lost_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., down_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., cause: _Optional[_Union[_presence_pb2.PresenceCause, str]] = ..., flapping: bool = ..., muted_until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListDeadLettersRequest(_message.Message):
    __slots__ = ["device", "facilities", "page_size", "page_token", "reason", "route"]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    FACILITIES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    device: str
    facilities: _containers.RepeatedScalarFieldContainer[str]
    page_size: int
    page_token: str
    reason: str
    route: str
    def __init__(self, facilities: _Optional[_Iterable[str]] = ..., route: _Optional[str] = ..., device: _Optional[str] = ..., reason: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDeadLettersResponse(_message.Message):
    __slots__ = ["dead_letters", "next_page_token"]
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    dead_letters: _containers.RepeatedCompositeFieldContainer[DeadLetter]
    next_page_token: str
    def __init__(self, dead_letters: _Optional[_Iterable[_Union[DeadLetter, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListDevicesRequest(_message.Message):
    __slots__ = ["facilities", "page_size", "page_token", "state"]
    FACILITIES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    facilities: _containers.RepeatedScalarFieldContainer[str]
    page_size: int
    page_token: str
    state: _presence_pb2.PresenceState
    def __init__(self, facilities: _Optional[_Iterable[str]] = ..., state: _Optional[_Union[_presence_pb2.PresenceState, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDevicesResponse(_message.Message):
    __slots__ = ["devices", "next_page_token"]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    next_page_token: str
    def __init__(self, devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListOutagesRequest(_message.Message):
    __slots__ = ["device", "facilities", "open", "page_size", "page_token", "to"]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    FACILITIES_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    device: str
    facilities: _containers.RepeatedScalarFieldContainer[str]
    open: bool
    page_size: int
    page_token: str
    to: _timestamp_pb2.Timestamp
    def __init__(self, facilities: _Optional[_Iterable[str]] = ..., device: _Optional[str] = ..., open: bool = ..., to: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., **kwargs) -> None: ...

class ListOutagesResponse(_message.Message):
    __slots__ = ["next_page_token", "outages"]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    OUTAGES_FIELD_NUMBER: _ClassVar[int]
    next_page_token: str
    outages: _containers.RepeatedCompositeFieldContainer[Outage]
    def __init__(self, outages: _Optional[_Iterable[_Union[Outage, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListRoutesRequest(_message.Message):
    __slots__ = ["facilities", "page_size", "page_token"]
    FACILITIES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    facilities: _containers.RepeatedScalarFieldContainer[str]
    page_size: int
    page_token: str
    def __init__(self, facilities: _Optional[_Iterable[str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRoutesResponse(_message.Message):
    __slots__ = ["next_page_token", "routes"]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    next_page_token: str
    routes: _containers.RepeatedCompositeFieldContainer[Route]
    def __init__(self, routes: _Optional[_Iterable[_Union[Route, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Outage(_message.Message):
    __slots__ = ["cause", "device", "down_at", "end", "facility", "flap", "lost_at", "muted", "report_ids", "up_at"]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    DOWN_AT_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    FACILITY_FIELD_NUMBER: _ClassVar[int]
    FLAP_FIELD_NUMBER: _ClassVar[int]
    LOST_AT_FIELD_NUMBER: _ClassVar[int]
    MUTED_FIELD_NUMBER: _ClassVar[int]
    REPORT_IDS_FIELD_NUMBER: _ClassVar[int]
    UP_AT_FIELD_NUMBER: _ClassVar[int]
    cause: _presence_pb2.PresenceCause
    device: str
    down_at: _timestamp_pb2.Timestamp
    end: OutageEnd
    facility: str
    flap: _presence_pb2.PresenceFlap
    lost_at: _timestamp_pb2.Timestamp
    muted: bool
    report_ids: _containers.RepeatedScalarFieldContainer[str]
    up_at: _timestamp_pb2.Timestamp
    def __init__(self, facility: _Optional[str] = ..., device: _Optional[str] = ..., down_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., up_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., lost_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., cause: _Optional[_Union[_presence_pb2.PresenceCause, str]] = ..., end: _Optional[_Union[OutageEnd, str]] = ..., muted: bool = ..., flap: _Optional[_Union[_presence_pb2.PresenceFlap, str]] = ..., report_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class QuerySensorRowsRequest(_message.Message):
    __slots__ = ["devices", "facilities", "from_epoch", "limit", "order", "to_epoch"]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    FACILITIES_FIELD_NUMBER: _ClassVar[int]
    FROM_EPOCH_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    TO_EPOCH_FIELD_NUMBER: _ClassVar[int]
    devices: _containers.RepeatedScalarFieldContainer[str]
    facilities: _containers.RepeatedScalarFieldContainer[str]
    from_epoch: int
    limit: int
    order: SensorOrder
    to_epoch: int
    def __init__(self, facilities: _Optional[_Iterable[str]] = ..., devices: _Optional[_Iterable[str]] = ..., from_epoch: _Optional[int] = ..., to_epoch: _Optional[int] = ..., order: _Optional[_Union[SensorOrder, str]] = ..., limit: _Optional[int] = ...) -> None: ...

class QuerySensorRowsResponse(_message.Message):
    __slots__ = ["chunk"]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: SensorChunk
    def __init__(self, chunk: _Optional[_Union[SensorChunk, _Mapping]] = ...) -> None: ...

class Route(_message.Message):
    __slots__ = ["batches", "bytes", "dead", "dropped", "duplicate", "facility", "halted", "halted_since", "oldest_age", "queued", "rate", "received", "route", "stored", "updated_at"]
    class DroppedEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    DEAD_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    FACILITY_FIELD_NUMBER: _ClassVar[int]
    HALTED_FIELD_NUMBER: _ClassVar[int]
    HALTED_SINCE_FIELD_NUMBER: _ClassVar[int]
    OLDEST_AGE_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    batches: int
    bytes: int
    dead: int
    dropped: _containers.ScalarMap[str, int]
    duplicate: int
    facility: str
    halted: str
    halted_since: _timestamp_pb2.Timestamp
    oldest_age: float
    queued: int
    rate: float
    received: int
    route: str
    stored: int
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, facility: _Optional[str] = ..., route: _Optional[str] = ..., received: _Optional[int] = ..., stored: _Optional[int] = ..., duplicate: _Optional[int] = ..., dead: _Optional[int] = ..., dropped: _Optional[_Mapping[str, int]] = ..., queued: _Optional[int] = ..., batches: _Optional[int] = ..., bytes: _Optional[int] = ..., oldest_age: _Optional[float] = ..., rate: _Optional[float] = ..., halted: _Optional[str] = ..., halted_since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SensorBucket(_message.Message):
    __slots__ = ["count", "device", "epoch", "facility", "rh_avg", "rh_max", "rh_min", "temp_avg", "temp_max", "temp_min"]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    FACILITY_FIELD_NUMBER: _ClassVar[int]
    RH_AVG_FIELD_NUMBER: _ClassVar[int]
    RH_MAX_FIELD_NUMBER: _ClassVar[int]
    RH_MIN_FIELD_NUMBER: _ClassVar[int]
    TEMP_AVG_FIELD_NUMBER: _ClassVar[int]
    TEMP_MAX_FIELD_NUMBER: _ClassVar[int]
    TEMP_MIN_FIELD_NUMBER: _ClassVar[int]
    count: int
    device: str
    epoch: int
    facility: str
    rh_avg: float
    rh_max: float
    rh_min: float
    temp_avg: float
    temp_max: float
    temp_min: float
    def __init__(self, facility: _Optional[str] = ..., device: _Optional[str] = ..., epoch: _Optional[int] = ..., count: _Optional[int] = ..., temp_min: _Optional[float] = ..., temp_avg: _Optional[float] = ..., temp_max: _Optional[float] = ..., rh_min: _Optional[float] = ..., rh_avg: _Optional[float] = ..., rh_max: _Optional[float] = ...) -> None: ...

class SensorChunk(_message.Message):
    __slots__ = ["device", "entry_id", "epoch", "facility", "facility_id", "rh", "temp"]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    FACILITY_FIELD_NUMBER: _ClassVar[int]
    FACILITY_ID_FIELD_NUMBER: _ClassVar[int]
    RH_FIELD_NUMBER: _ClassVar[int]
    TEMP_FIELD_NUMBER: _ClassVar[int]
    device: _containers.RepeatedScalarFieldContainer[str]
    entry_id: _containers.RepeatedScalarFieldContainer[int]
    epoch: _containers.RepeatedScalarFieldContainer[int]
    facility: str
    facility_id: int
    rh: _containers.RepeatedScalarFieldContainer[float]
    temp: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, facility: _Optional[str] = ..., facility_id: _Optional[int] = ..., entry_id: _Optional[_Iterable[int]] = ..., device: _Optional[_Iterable[str]] = ..., temp: _Optional[_Iterable[float]] = ..., rh: _Optional[_Iterable[float]] = ..., epoch: _Optional[_Iterable[int]] = ...) -> None: ...

class TailSensorRowsRequest(_message.Message):
    __slots__ = ["devices", "facilities", "live_only", "resume_token"]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    FACILITIES_FIELD_NUMBER: _ClassVar[int]
    LIVE_ONLY_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    devices: _containers.RepeatedScalarFieldContainer[str]
    facilities: _containers.RepeatedScalarFieldContainer[str]
    live_only: bool
    resume_token: str
    def __init__(self, facilities: _Optional[_Iterable[str]] = ..., devices: _Optional[_Iterable[str]] = ..., resume_token: _Optional[str] = ..., live_only: bool = ...) -> None: ...

class TailSensorRowsResponse(_message.Message):
    __slots__ = ["chunk", "resume_token"]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    chunk: SensorChunk
    resume_token: str
    def __init__(self, chunk: _Optional[_Union[SensorChunk, _Mapping]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class SensorOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class OutageEnd(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
