"""A gRPC server that answers as a test says: also as no real one does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Callable, Iterable, Optional, Sequence, Tuple, Type

import grpc
from sluice_client._gen import api_pb2

#: Takes request and context of a call.
Handler = Callable[[Any, Any], Any]

_STREAMS = ("QuerySensorRows", "TailSensorRows")


class Server:
    """Serves methods of the API by name. For `with`, which gives the address."""

    def __init__(self, **handlers: Handler) -> None:
        self._grpc = grpc.server(ThreadPoolExecutor(4))
        self._grpc.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    "sluice.v1.SluiceService", {name: _method(name, do) for name, do in handlers.items()}
                ),
            )
        )

    def __enter__(self) -> str:
        port = self._grpc.add_insecure_port("127.0.0.1:0")
        self._grpc.start()
        return f"127.0.0.1:{port}"

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._grpc.stop(None).wait()


def _method(name: str, do: Handler) -> Any:
    kind = grpc.unary_stream_rpc_method_handler if name in _STREAMS else grpc.unary_unary_rpc_method_handler
    return kind(
        do,
        request_deserializer=getattr(api_pb2, name + "Request").FromString,
        response_serializer=getattr(api_pb2, name + "Response").SerializeToString,
    )


def chunk(first: int, n: int) -> Any:
    """Returns rows first to first+n-1 of facility plant-1."""
    ids = range(first, first + n)
    return api_pb2.SensorChunk(
        facility="plant-1", facility_id=1, entry_id=ids, device=["d"] * n, temp=[1] * n, rh=[2] * n, epoch=ids
    )


def query(sizes: Iterable[int], trailer: Sequence[Tuple[str, str]]) -> Handler:
    """Returns a QuerySensorRows with chunks of these sizes and this trailer."""

    def handler(_: Any, context: Any) -> Any:
        first = 1
        for n in sizes:
            yield api_pb2.QuerySensorRowsResponse(chunk=chunk(first, n))
            first += n
        context.set_trailing_metadata(trailer)

    return handler
