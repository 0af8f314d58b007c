"""The connection to a server: TLS, limits, methods."""

from __future__ import annotations

import ipaddress
import os
from typing import Any, List, Optional, Tuple, Union

import grpc
from google.protobuf import empty_pb2

from ._gen import api_pb2, service_pb2
from .errors import InvalidArgument, SluiceError, of_call

#: A file in PEM form, or its bytes.
PEM = Union[str, "os.PathLike[str]", bytes]

_OPTIONS: List[Tuple[str, int]] = [
    # A page of 1000 dead letters may have long topics.
    ("grpc.max_receive_message_length", 64 << 20),
    # A peer that vanished is noticed within 50 s, in a tail without rows too. The
    # server allows a ping every 10 s.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A server that is back is noticed within 5 s; gRPC's own limit is 2 min.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
]


class Connection:
    """A channel with the methods of the API. Safe for concurrent use."""

    def __init__(self, target: str, ca: Optional[PEM], cert: Optional[PEM], key: Optional[PEM]) -> None:
        self.target = target
        self._channel = _open(target, ca, cert, key)
        self.query_sensor_rows = self._stream("QuerySensorRows")
        self.tail_sensor_rows = self._stream("TailSensorRows")
        self.aggregate_sensor = self._unary("AggregateSensor")
        self.list_devices = self._unary("ListDevices")
        self.list_outages = self._unary("ListOutages")
        self.list_routes = self._unary("ListRoutes")
        self.list_dead_letters = self._unary("ListDeadLetters")
        self.get_sensor_rows = self._channel.unary_stream(
            "/service.Query/GetSensorRows",
            request_serializer=empty_pb2.Empty.SerializeToString,
            response_deserializer=service_pb2.SensorRows.FromString,
        )

    def close(self) -> None:
        """Ends the connection, and every call of it."""
        self._channel.close()

    def error(self, error: Any) -> SluiceError:
        """Returns the client's error for gRPC's."""
        return of_call(error, self.target)

    def _unary(self, method: str) -> Any:
        return self._channel.unary_unary(f"/sluice.v1.SluiceService/{method}", **_codec(method))

    def _stream(self, method: str) -> Any:
        return self._channel.unary_stream(f"/sluice.v1.SluiceService/{method}", **_codec(method))


def _codec(method: str) -> Any:
    """By the contract's own rule for names."""
    return {
        "request_serializer": getattr(api_pb2, method + "Request").SerializeToString,
        "response_deserializer": getattr(api_pb2, method + "Response").FromString,
    }


def _open(target: str, ca: Optional[PEM], cert: Optional[PEM], key: Optional[PEM]) -> Any:
    if (cert is None) != (key is None):
        raise InvalidArgument("cert and key: give both or none")
    loopback = _is_loopback(target)
    if ca is not None or cert is not None:
        credentials = grpc.ssl_channel_credentials(_read("ca", ca), _read("key", key), _read("cert", cert))
        return grpc.secure_channel(target, credentials, options=_OPTIONS)
    if not loopback:
        raise InvalidArgument(f"target: {target} is not on this machine, so give ca, cert and key for TLS")
    # A proxy that the environment names has another loopback.
    return grpc.insecure_channel(target, options=[*_OPTIONS, ("grpc.enable_http_proxy", 0)])


def _is_loopback(target: str) -> bool:
    host, colon, port = target.rpartition(":")
    if not (host and colon and port.isdigit()):
        raise InvalidArgument(f"target: {target!r} is not host:port")
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _read(field: str, pem: Optional[PEM]) -> Optional[bytes]:
    if pem is None or isinstance(pem, bytes):
        return pem
    try:
        with open(pem, "rb") as file:
            return file.read()
    except OSError as error:
        raise InvalidArgument(f"{field}: {error}") from error
