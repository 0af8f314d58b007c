from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class SensorRows(_message.Message):
    __slots__ = ["device", "entry_id", "epoch", "facility_id", "rh", "temp"]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    FACILITY_ID_FIELD_NUMBER: _ClassVar[int]
    RH_FIELD_NUMBER: _ClassVar[int]
    TEMP_FIELD_NUMBER: _ClassVar[int]
    device: str
    entry_id: int
    epoch: int
    facility_id: int
    rh: float
    temp: float
    def __init__(self, entry_id: _Optional[int] = ..., facility_id: _Optional[int] = ..., device: _Optional[str] = ..., temp: _Optional[float] = ..., rh: _Optional[float] = ..., epoch: _Optional[int] = ...) -> None: ...
