"""Streams of rows that are complete or end with an error."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Optional

import grpc

from .errors import IncompleteStreamError, SluiceError

#: The trailer of a stream that ended with OK: how many rows it had.
TRAILER = "sluice-rows"


def counted(call: Any, size: Callable[[Any], int], translate: Callable[[Any], SluiceError]) -> Iterator[Any]:
    """Yields the responses of a call; size tells the rows of one.

    Raises what translate makes of the call's error, or IncompleteStreamError. A
    consumer that stops early cancels the call.
    """
    received = 0
    try:
        for response in call:
            received += size(response)
            yield response
        expected = _counted_by_server(call)
    except grpc.RpcError as error:
        raise translate(error) from error
    finally:
        call.cancel()
    if received != expected:
        raise IncompleteStreamError(received, expected)


def _counted_by_server(call: Any) -> Optional[int]:
    for name, value in call.trailing_metadata() or ():
        if name == TRAILER and value.isdecimal():
            return int(value)
    return None
