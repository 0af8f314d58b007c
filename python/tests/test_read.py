"""What the client gives is what the database holds."""

from __future__ import annotations

import pickle
import unittest
from datetime import datetime, timedelta, timezone
from typing import Any, List

from sluice_client import Client, InvalidArgument, NotFound, Row

from . import world


class Reads(unittest.TestCase):
    def setUp(self) -> None:
        self.client = Client(world.PLAIN, timeout=world.PATIENCE)
        self.addCleanup(self.client.close)


class Rows(Reads):
    def test_all_equal_the_database(self) -> None:
        rows = list(self.client.rows())
        self.assertEqual(len(rows), 4510)
        self.assertEqual(rows, world.stored())

    def test_choices(self) -> None:
        t0 = 1_700_000_000
        when = datetime.fromtimestamp(t0 + 99.5, timezone(timedelta(hours=2)))
        choices: List[Any] = [
            ({"facilities": "plant-2"}, "name = 'plant-2'"),
            ({"facilities": ["plant-1", "plant-2"], "devices": ["dev-3", "dev-5"]}, "device IN ('dev-3', 'dev-5')"),
            ({"start": t0 + 100, "end": t0 + 200}, f"epoch >= {t0 + 100} AND epoch < {t0 + 200}"),
            ({"start": when, "end": when + timedelta(seconds=5)}, f"epoch >= {t0 + 100} AND epoch < {t0 + 105}"),
            ({"start": t0 + 0.5}, f"epoch >= {t0 + 1}"),
            ({"devices": "nobody"}, "false"),
        ]
        for arguments, where in choices:
            with self.subTest(arguments):
                self.assertEqual(list(self.client.rows(**arguments)), world.stored(where))

    def test_order_and_limit(self) -> None:
        by_device = world.stored(order="facility_id, device, epoch")
        self.assertEqual(list(self.client.rows(order="device_time")), by_device)
        self.assertEqual(list(self.client.rows(order="device_time", limit=2345)), by_device[:2345])
        self.assertEqual(list(self.client.rows(limit=1)), world.stored()[:1])

    def test_legacy_rows(self) -> None:
        wanted = [Row("", r.facility_id, r.entry_id, r.device, r.temp, r.rh, r.epoch) for r in world.stored()]
        self.assertEqual(list(self.client.legacy_rows()), wanted)

    def test_a_row(self) -> None:
        row = next(self.client.rows("plant-2"))
        self.assertEqual(row, Row("plant-2", 2, 1, "dev-1", 1.0, 50.0, 1_700_000_001))
        self.assertEqual(row.time, datetime(2023, 11, 14, 22, 13, 21, tzinfo=timezone.utc))
        self.assertEqual(pickle.loads(pickle.dumps(row)), row)
        for name in ("temp", "other"):
            with self.assertRaises((AttributeError, TypeError)):
                setattr(row, name, 1.0)

    def test_stopping_early_ends_the_call_at_the_server(self) -> None:
        rows = self.client.rows()
        next(rows)
        del rows
        world.eventually(self, "no stream is open", lambda: world.control("streams") == 0)


class Lists(Reads):
    def test_devices(self) -> None:
        devices = list(self.client.devices())
        self.assertEqual(
            [[d.facility, d.device, d.state, d.generation] for d in devices],
            world.sql(
                "SELECT name, device, state, generation FROM data.device JOIN data.facility USING (facility_id)"
                " ORDER BY facility_id, device"
            ),
        )
        self.assertGreater(len(devices), 1000)  # more than a page
        down = next(self.client.devices("plant-1", state="down"))
        self.assertEqual((down.device, down.cause, down.flapping), ("d0003", "lwt", True))
        self.assertEqual(down.down_at, datetime(2024, 1, 1, 0, 0, 3, 123456, tzinfo=timezone.utc))
        self.assertIsNone(down.muted_until)

    def test_outages(self) -> None:
        t0 = datetime(2024, 1, 1, tzinfo=timezone.utc)
        outages = list(self.client.outages())
        self.assertEqual(len(outages), 2 * 1205)
        self.assertEqual(outages, sorted(outages, key=lambda o: (o.facility, t0 - o.down_at)))
        last, first = outages[0], outages[1204]
        self.assertEqual((last.device, last.up_at, last.cause, last.end), ("d1205", None, "lwt", ""))
        self.assertEqual((first.device, first.end, first.flap), ("d0001", "connect", "began"))
        self.assertEqual((first.down_at, first.report_ids), (t0 + timedelta(seconds=1), ("log:1", "groupme:2")))
        lasting = world.sql("SELECT count(*) FROM data.outage WHERE up_at IS NULL")[0][0]
        self.assertEqual(len(list(self.client.outages(open=True))), lasting)
        self.assertEqual([o.facility for o in self.client.outages(device="d0007")], ["plant-1", "plant-2"])
        chosen = self.client.outages("plant-2", start=t0 + timedelta(seconds=5), end=t0 + timedelta(seconds=7))
        self.assertEqual([o.device for o in chosen], ["d0006", "d0005"])

    def test_routes(self) -> None:
        a, b = self.client.routes()
        self.assertEqual((a.facility, a.route, a.received, a.dropped), ("plant-1", "data/sensor", 12, {"late": 2}))
        self.assertEqual(a.received, a.stored + a.duplicate + a.dead + sum(a.dropped.values()) + a.queued)
        self.assertEqual((a.rate, a.halted, a.halted_since), (1.5, "", None))
        self.assertEqual((b.facility, b.halted), ("plant-2", "no disk"))
        self.assertEqual(b.halted_since, datetime(2024, 1, 1, tzinfo=timezone.utc))
        self.assertEqual(list(self.client.routes("plant-2")), [b])

    def test_dead_letters(self) -> None:
        letters = list(self.client.dead_letters())
        self.assertEqual([m.id for m in letters], list(range(250, 0, -1)))  # three pages
        last = letters[0]
        self.assertEqual((last.facility, last.topic, last.payload), ("plant-1", "data/sensor/d", b"\x00\xff250"))
        self.assertEqual((last.payload_size, last.reason, last.code), (5, "decode", "22P02"))
        self.assertEqual(last.received, datetime(2024, 1, 1, tzinfo=timezone.utc))
        self.assertEqual(len(list(self.client.dead_letters(reason="conflict"))), 125)
        self.assertEqual(list(self.client.dead_letters(device="nobody")), [])

    def test_aggregate(self) -> None:
        for bucket, width in ((0, 10**12), (timedelta(minutes=1), 60), (1000, 1000)):
            with self.subTest(bucket):
                got = list(self.client.aggregate(bucket=bucket))
                wanted = world.sql(
                    f"SELECT name, device, epoch / {width} * {width}, count(*), min(temp)::float8, max(temp)::float8,"
                    " avg(temp), min(rh)::float8, max(rh)::float8, avg(rh)"
                    " FROM data.sensor JOIN data.facility USING (facility_id)"
                    " GROUP BY facility_id, name, device, 3 ORDER BY facility_id, device, 3"
                )
                self.assertEqual(
                    [[b.facility, b.device, b.epoch, b.count, b.temp_min, b.temp_max] for b in got],
                    [w[:6] for w in wanted],
                )
                for b, w in zip(got, wanted):
                    self.assertAlmostEqual(b.temp_avg, w[6], 4)
                    self.assertEqual([b.rh_min, b.rh_max, b.rh_avg], w[7:])
        some = self.client.aggregate("plant-2", "dev-1", start=1_700_000_002, end=1_700_000_009, bucket=60)
        self.assertEqual([b.count for b in some], [1])


class Arguments(Reads):
    def test_no_such_facility(self) -> None:
        with self.assertRaisesRegex(NotFound, "plant-9"):
            list(self.client.rows("plant-9"))

    def test_the_server_names_the_argument(self) -> None:
        with self.assertRaisesRegex(InvalidArgument, r"^devices\[1\]: "):
            list(self.client.rows(devices=["d", "a b"]))
        with self.assertRaisesRegex(InvalidArgument, "^limit: "):
            list(self.client.rows(limit=-1))

    def test_refused_before_a_call(self) -> None:
        nothing: Any = "x"
        for what, call in {
            "start: .* no time zone": lambda: self.client.rows(start=datetime(2024, 1, 1)),
            "end: .* no time zone": lambda: self.client.outages(end=datetime(2024, 1, 1)),
            "start: 'x' is neither": lambda: self.client.rows(start=nothing),
            "start: nan": lambda: self.client.rows(start=float("nan")),
            "start: -1 is before 1970": lambda: self.client.rows(start=-1),
            "end: nothing": lambda: self.client.aggregate(end=0),
            "order: 'time' is unknown": lambda: self.client.rows(order="time"),
            "state: 'gone' is unknown": lambda: self.client.devices(state="gone"),
            "bucket: 1.5": lambda: self.client.aggregate(bucket=timedelta(seconds=1.5)),
            "bucket: -1": lambda: self.client.aggregate(bucket=-1),
        }.items():
            with self.subTest(what), self.assertRaisesRegex(InvalidArgument, what):
                call()
