"""Streams that are not what they should be, from servers that do not exist."""

from __future__ import annotations

import threading
import unittest
from typing import Any, List

import grpc
from sluice_client import (
    Client,
    IncompleteStreamError,
    InvalidArgument,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    SluiceError,
    TimedOut,
    Unavailable,
)
from sluice_client._gen import api_pb2

from . import fake, world


class Complete(unittest.TestCase):
    def read(self, trailer: Any, limit: int = 0) -> List[int]:
        ids: List[int] = []
        with fake.Server(QuerySensorRows=fake.query([2, 3], trailer)) as target, Client(target) as client:
            try:
                for row in client.rows(limit=limit):
                    ids.append(row.entry_id)
            finally:
                self.ids = ids
        return ids

    def test_with_its_trailer(self) -> None:
        self.assertEqual(self.read([("sluice-rows", "5")]), [1, 2, 3, 4, 5])

    def test_short_long_or_without_trailer_raises(self) -> None:
        for trailer, expected in (
            ([("sluice-rows", "6")], 6),
            ([("sluice-rows", "4")], 4),
            ([("sluice-rows", "")], None),
            ([("other", "5")], None),
            ([], None),
        ):
            with self.subTest(trailer), self.assertRaises(IncompleteStreamError) as caught:
                self.read(trailer)
            self.assertEqual((caught.exception.received, caught.exception.expected), (5, expected))
            self.assertEqual(self.ids, [1, 2, 3, 4, 5])  # they were handed out before

    def test_empty_without_trailer_raises(self) -> None:
        with fake.Server(QuerySensorRows=fake.query([], [])) as target, Client(target) as client:
            with self.assertRaises(IncompleteStreamError):
                list(client.rows())


class Errors(unittest.TestCase):
    def test_each_code_has_its_error(self) -> None:
        code = grpc.StatusCode.OK

        def refuse(_: Any, context: Any) -> Any:
            context.abort(code, "so it\nis")

        with fake.Server(ListRoutes=refuse) as target, Client(target) as client:
            for code, kind, text in (
                (grpc.StatusCode.INVALID_ARGUMENT, InvalidArgument, "so it is"),
                (grpc.StatusCode.PERMISSION_DENIED, NotAllowed, f"{target}: so it is"),
                (grpc.StatusCode.UNAUTHENTICATED, NotAuthenticated, f"{target}: so it is"),
                (grpc.StatusCode.NOT_FOUND, NotFound, f"{target}: so it is"),
                (grpc.StatusCode.UNAVAILABLE, Unavailable, f"{target}: so it is"),
                (grpc.StatusCode.DEADLINE_EXCEEDED, TimedOut, f"{target}: so it is"),
                (grpc.StatusCode.INTERNAL, SluiceError, f"{target}: so it is (INTERNAL)"),
            ):
                with self.subTest(code), self.assertRaises(SluiceError) as caught:
                    list(client.routes())
                error = caught.exception
                self.assertEqual((type(error), str(error), error.code), (kind, text, code))

    def test_timeout_bounds_a_call(self) -> None:
        done = threading.Event()

        def wait(_: Any, __: Any) -> Any:
            done.wait(world.PATIENCE)
            return api_pb2.ListRoutesResponse()

        with fake.Server(ListRoutes=wait) as target, Client(target, timeout=0.2) as client:
            with self.assertRaises(TimedOut):
                list(client.routes())
            done.set()

    def test_one_page_twice_ends(self) -> None:
        page = api_pb2.ListRoutesResponse(next_page_token="x")
        with fake.Server(ListRoutes=lambda *_: page) as target, Client(target) as client:
            with self.assertRaisesRegex(SluiceError, "one page twice"):
                list(client.routes())


class Cancel(unittest.TestCase):
    def test_a_consumer_that_stops_early_cancels_the_call(self) -> None:
        ended = threading.Event()

        def endless(_: Any, context: Any) -> Any:
            context.add_callback(ended.set)
            first = 1
            while context.is_active():
                yield api_pb2.QuerySensorRowsResponse(chunk=fake.chunk(first, 10))
                first += 10

        with fake.Server(QuerySensorRows=endless) as target, Client(target) as client:
            for way in ("close", "forget", "raise"):
                ended.clear()
                rows = client.rows()
                next(rows)
                self.assertFalse(ended.is_set())
                if way == "close":
                    rows.close()  # type: ignore[attr-defined]
                elif way == "raise":
                    with self.assertRaises(KeyError):
                        for _ in rows:
                            raise KeyError
                del rows
                self.assertTrue(ended.wait(world.PATIENCE), way)
