"""The errors of the client, and how gRPC's codes become them."""

from __future__ import annotations

from typing import Any, Optional

import grpc


class SluiceError(Exception):
    """Any error of a call. `code` is gRPC's, None where the client itself found it."""

    code: Optional[grpc.StatusCode] = None


class InvalidArgument(SluiceError, ValueError):
    """An argument is wrong; the text begins with its name."""


class NotAllowed(SluiceError):
    """The certificate is not a client's, or the client may not read the facility."""


class NotAuthenticated(SluiceError):
    """No client certificate, one that has expired, or one of an authority that the
    server does not know; the text says which."""


class NotFound(SluiceError):
    """There is no such facility."""


class TimedOut(SluiceError):
    """The call took longer than the timeout of the client."""


class Unavailable(SluiceError):
    """The server or its database is away: try again later. Or the certificate of the
    server is not for this target, or not of the authority that was given."""


class IncompleteStreamError(SluiceError):
    """Rows are missing or too many: a stream ended without an error, but not with
    the number of rows that the server counted.

    `received` is the number of rows that came, `expected` what the server counted,
    None when it did not tell.
    """

    def __init__(self, received: int, expected: Optional[int]) -> None:
        told = "did not tell how many there are" if expected is None else f"counted {expected}"
        super().__init__(f"the stream of rows is not complete: {received} came, and the server {told}")
        self.received = received
        self.expected = expected


_BY_CODE = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.PERMISSION_DENIED: NotAllowed,
    grpc.StatusCode.UNAUTHENTICATED: NotAuthenticated,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.DEADLINE_EXCEEDED: TimedOut,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
}


def of_call(error: Any, target: str) -> SluiceError:
    """Returns the error of a call to target for gRPC's. Its text is one line."""
    code = error.code()
    details = " ".join((error.details() or "no details").split())
    kind = _BY_CODE.get(code, SluiceError)
    text = details if kind is InvalidArgument else f"{target}: {details}"
    if kind is SluiceError:
        text += f" ({code.name})"
    out = kind(text)
    out.code = code
    return out
