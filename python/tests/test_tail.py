"""Tails: on a real API that is restarted, and on servers that break where it hurts."""

from __future__ import annotations

import threading
import unittest
from typing import Any, List, Tuple

import grpc
from sluice_client import Client, IncompleteStreamError, InvalidArgument, Unavailable
from sluice_client._gen import api_pb2

from . import fake, world


def response(first: int, n: int) -> Any:
    return api_pb2.TailSensorRowsResponse(chunk=fake.chunk(first, n), resume_token=str(first + n - 1))


def place(token: str) -> Any:
    return api_pb2.TailSensorRowsResponse(resume_token=token)


class Restarts(unittest.TestCase):
    def test_three_restarts_of_the_api_each_row_once(self) -> None:
        """Rows are stored all the while."""
        begun, total = len(world.stored()), 3000

        def store() -> None:
            for _ in range(total // 10):
                world.store(10)

        writer = threading.Thread(target=store)
        got = []
        with Client(world.PLAIN) as client, client.tail() as tail:
            for row in tail:
                got.append(row)
                if len(got) == begun:
                    writer.start()
                elif len(got) in (begun + 500, begun + 1000, begun + 1500):
                    world.control("restart")
                elif len(got) == begun + total:
                    break
            token = tail.token
            writer.join()
            self.assertEqual(sorted(got, key=lambda r: (r.facility_id, r.entry_id)), world.stored())
            self.assertEqual(world.control("restarts"), 3)
            world.store(3)
            wanted = world.stored("facility_id = 1")[-3:]
            self.assertEqual([next(tail) for _ in wanted], wanted)
        with Client(world.PLAIN) as client, client.tail(token=token) as tail:
            self.assertEqual([next(tail) for _ in wanted], wanted)

    def test_choice_of_facilities_and_devices(self) -> None:
        wanted = world.stored("name = 'plant-2' AND device = 'dev-1'")
        with Client(world.PLAIN) as client, client.tail("plant-2", "dev-1") as tail:
            self.assertEqual([next(tail) for _ in wanted], wanted)

    def test_live_only_leaves_out_what_is_stored(self) -> None:
        stop = threading.Event()

        def store() -> None:  # again and again: nobody knows when the call has begun
            while not stop.wait(0.05):
                world.store(1, facility=2)

        before = len(world.stored("facility_id = 2"))
        writer = threading.Thread(target=store)
        writer.start()
        try:
            with Client(world.PLAIN) as client, client.tail("plant-2", live_only=True) as tail:
                first = next(tail)
        finally:
            stop.set()
            writer.join()
        self.assertEqual((first.facility, first.device), ("plant-2", "live"))
        self.assertGreater(first.entry_id, before)

    def test_wrong_token(self) -> None:
        with Client(world.PLAIN) as client, self.assertRaises(InvalidArgument):
            next(client.tail(token="nonsense"))

    def test_nobody_there_raises_at_once(self) -> None:
        with Client("127.0.0.1:1") as client, self.assertRaises(Unavailable):
            next(client.tail())


class Breaks(unittest.TestCase):
    def tail(self, answers: List[List[Any]]) -> Tuple[List[int], List[str], List[Any]]:
        """Reads a tail of a server that at call i gives answers[i], then is
        unavailable; the last one waits. Returns the rows, the tokens that the server
        got, and the token behind each row."""
        asked: List[str] = []
        done = threading.Event()

        def handler(request: Any, context: Any) -> Any:
            asked.append(request.resume_token)
            yield from answers[len(asked) - 1]
            if len(asked) == len(answers):
                done.wait(world.PATIENCE)
            context.abort(grpc.StatusCode.UNAVAILABLE, "it ends")

        total = sum(len(a.chunk.entry_id) for answer in answers for a in answer)
        ids, tokens = [], []
        with fake.Server(TailSensorRows=handler) as target, Client(target) as client, client.tail() as tail:
            for _ in range(total):
                ids.append(next(tail).entry_id)
                tokens.append(tail.token)
            done.set()
        return ids, asked, tokens

    def test_goes_on_behind_what_was_yielded(self) -> None:
        ids, asked, tokens = self.tail(
            [[place("0"), response(1, 2), response(3, 1)], [], [place("3")], [place("3"), response(4, 2)]]
        )
        self.assertEqual(ids, [1, 2, 3, 4, 5])
        self.assertEqual(asked, ["", "3", "3", "3"])
        self.assertEqual(tokens, ["0", "2", "3", "3", "5"])

    def test_place_without_rows_moves_the_token(self) -> None:
        ids, asked, _ = self.tail([[place("7")], [place("9")], [response(10, 1)]])
        self.assertEqual((ids, asked), ([10], ["", "7", "9"]))

    def test_without_reconnect_raises(self) -> None:
        def handler(_: Any, context: Any) -> Any:
            yield response(1, 2)
            context.abort(grpc.StatusCode.UNAVAILABLE, "it ends")

        with fake.Server(TailSensorRows=handler) as target, Client(target) as client:
            tail = client.tail(reconnect=False)
            self.assertEqual([next(tail).entry_id, next(tail).entry_id], [1, 2])
            with self.assertRaises(Unavailable):
                next(tail)
            self.assertEqual(tail.token, "2")

    def test_end_with_ok_raises(self) -> None:
        with fake.Server(TailSensorRows=lambda *_: iter([response(1, 2)])) as target, Client(target) as client:
            tail = client.tail()
            with self.assertRaises(IncompleteStreamError) as caught:
                list(tail)
            self.assertEqual(caught.exception.received, 2)

    def test_close_ends_a_tail_that_waits(self) -> None:
        """Both while it waits for a row and while it waits to connect again."""
        for broken in (False, True):
            asked = threading.Event()
            done = threading.Event()

            def handler(_: Any, context: Any) -> Any:
                yield place("0")
                asked.set()
                if broken:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "away")
                done.wait(world.PATIENCE)

            with fake.Server(TailSensorRows=handler) as target, Client(target) as client:
                tail = client.tail()
                rows: List[Any] = []
                reader = threading.Thread(target=lambda: rows.extend(tail))
                reader.start()
                self.assertTrue(asked.wait(world.PATIENCE))
                tail.close()
                reader.join(world.PATIENCE)
                self.assertFalse(reader.is_alive())
                self.assertEqual(rows, [])
                done.set()
