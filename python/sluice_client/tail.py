"""Rows as they are stored."""

from __future__ import annotations

import random
import threading
from collections import deque
from types import TracebackType
from typing import Any, Callable, Deque, Iterator, Optional, Type

import grpc

from .errors import IncompleteStreamError, SluiceError
from .row import Row, rows_of

#: Seconds between attempts to go on: doubled from the first to the last.
_FIRST_DELAY, _LAST_DELAY = 0.1, 5.0


class Tail(Iterator[Row]):
    """Yields rows by facility's entry_id: those that are stored, then each as it is
    stored; waits for it without end.

    When the server or its database goes away, it goes on behind the last row once
    they are back, without a gap and without a row twice; unless nothing has been
    received yet, which then is an Unavailable: the address may be wrong. Any other
    error is raised, and ends it.

    For one thread; only close may be called by others.
    """

    #: Where to go on in another tail with the same facilities and devices; None
    #: at first. It names the place behind the rows that were yielded, and moves with
    #: the last row of each chunk of up to 1000: store it together with the rows since
    #: it last moved.
    token: Optional[str]

    def __init__(
        self,
        begin: Callable[[str], Any],
        translate: Callable[[Any], SluiceError],
        token: Optional[str],
        reconnect: bool,
    ) -> None:
        """begin starts a call behind a token; empty is the beginning."""
        self.token = token
        self._begin = begin
        self._translate = translate
        self._reconnect = reconnect
        self._call: Any = None
        self._rows: Deque[Row] = deque()
        self._behind: Optional[str] = token  # the place behind _rows
        self._begun = False
        self._received = 0
        self._failures = 0  # since the last response
        self._closed = threading.Event()

    def __next__(self) -> Row:
        while not self._rows:
            if self._closed.is_set():
                raise StopIteration
            self._receive()
        row = self._rows.popleft()
        if not self._rows:
            self.token = self._behind
        return row

    def close(self) -> None:
        """Ends the call. A thread that waits for a row gets StopIteration."""
        self._closed.set()
        call = self._call
        if call is not None:
            call.cancel()

    def __enter__(self) -> Tail:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _receive(self) -> None:
        """Takes one response, or prepares the next attempt."""
        try:
            if self._call is None:
                self._call = self._begin(self.token or "")
            if self._closed.is_set():  # it was closed while the call began
                self._call.cancel()
            response = next(self._call)
        except StopIteration:
            self._closed.set()
            raise IncompleteStreamError(self._received, None) from None
        except grpc.RpcError as error:
            self._fail(error)
            return
        self._begun, self._failures = True, 0
        self._rows.extend(rows_of(response.chunk))
        self._received += len(self._rows)
        self._behind = response.resume_token
        if not self._rows:
            self.token = self._behind

    def _fail(self, error: Any) -> None:
        """Waits before the next attempt, or raises."""
        if self._closed.is_set():
            return
        self._call = None
        if not (self._reconnect and self._begun and error.code() == grpc.StatusCode.UNAVAILABLE):
            self._closed.set()
            raise self._translate(error) from error
        delay = min(_FIRST_DELAY * 2**self._failures, _LAST_DELAY)
        self._failures = min(self._failures + 1, 10)
        # Many clients lose one server at once and should not come back at once.
        self._closed.wait(delay * random.uniform(0.5, 1))
