"""Reads what a Sluice pipeline has stored, over its gRPC API.

    with Client("127.0.0.1:3000") as client:
        for row in client.rows(facilities=["plant-1"]):
            print(row.device, row.time, row.temp)

What a call gives is complete, or it raises a SluiceError.
"""

from .client import Client
from .errors import (
    IncompleteStreamError,
    InvalidArgument,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    SluiceError,
    TimedOut,
    Unavailable,
)
from .records import Bucket, DeadLetter, Device, Outage, Route
from .row import Row
from .tail import Tail

__all__ = [
    "Bucket",
    "Client",
    "DeadLetter",
    "Device",
    "IncompleteStreamError",
    "InvalidArgument",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "Outage",
    "Route",
    "Row",
    "SluiceError",
    "Tail",
    "TimedOut",
    "Unavailable",
]
