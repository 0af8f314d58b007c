"""The command sluice-rows."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import unittest
from typing import Any, Dict, List

from sluice_client import command
from sluice_client.output import shortest

from . import fake, world


def start(*arguments: str, target: str = world.PLAIN, **options: Any) -> "subprocess.Popen[str]":
    env = {**os.environ, "SLUICE_TARGET": target}
    return subprocess.Popen(
        [sys.executable, "-m", "sluice_client", *arguments], env=env, text=True, stderr=subprocess.PIPE,
        **{"stdout": subprocess.PIPE, **options},
    )


class Command(unittest.TestCase):
    def run_it(self, *arguments: str, status: int = 0, **options: Any) -> str:
        """Returns what it printed; after an error its one line."""
        with start(*arguments, **options) as process:
            out, err = process.communicate(timeout=world.PATIENCE)
        self.assertEqual(process.returncode, status, err)
        if status == 0:
            self.assertEqual(err, "")
            return str(out)
        if not err.startswith("usage: "):
            self.assertEqual(err.count("\n"), 1, err)
        return str(err)

    def test_json(self) -> None:
        lines = self.run_it("--format", "json", "--facility", "plant-1", "--facility", "plant-2").splitlines()
        wanted = world.stored()
        self.assertEqual(len(lines), len(wanted))
        for line, row in zip(lines, wanted):
            got: Dict[str, Any] = json.loads(line)
            self.assertEqual((got["facility"], got["entry_id"], got["epoch"]), (row.facility, row.entry_id, row.epoch))
        self.assertEqual(
            lines[1],
            '{"facility": "plant-1", "facility_id": 1, "entry_id": 2, "device": "dev-2", "temp": 1.1, "rh": 50.0,'
            ' "epoch": 1700000002}',
        )

    def test_csv(self) -> None:
        rows = list(csv.DictReader(io.StringIO(self.run_it("--format", "csv", "--limit", "2500"))))
        self.assertEqual([int(r["entry_id"]) for r in rows], list(range(1, 2501)))
        self.assertEqual(
            dict(rows[1]),
            {"facility": "plant-1", "facility_id": "1", "entry_id": "2", "device": "dev-2", "temp": "1.1", "rh": "50.0",
             "epoch": "1700000002"},
        )

    def test_table(self) -> None:
        self.assertEqual(
            self.run_it("--limit", "1", "--device", "dev-3").splitlines(),
            ["time (UTC)           facility              entry  device                       temp      rh",
             "2023-11-14 22:13:23  plant-1                   3  dev-3                        1.20   50.00"],
        )

    def test_times_and_order(self) -> None:
        arguments = ["--from", "2023-11-14T22:13:21Z", "--to", "1700000021", "--format", "csv", "--order", "device_time"]
        rows = list(csv.reader(io.StringIO(self.run_it(*arguments))))[1:]
        wanted = world.stored("epoch >= 1700000001 AND epoch < 1700000021", "facility_id, device, epoch")
        self.assertEqual([(r[0], r[3], int(r[6])) for r in rows], [(w.facility, w.device, w.epoch) for w in wanted])

    def test_tls_by_options_and_environment(self) -> None:
        options = ["--target", world.TLS, "--ca", world.file("ca.crt")]
        for name, value in (("--cert", "analyst.crt"), ("--key", "analyst.key")):
            options += [name, world.file(value)]
        self.assertEqual(self.run_it(*options, "--limit", "5").count("\n"), 6)
        env = {f"SLUICE_{k}": world.file(v) for k, v in {"CA": "ca.crt", "CERT": "boss.crt", "KEY": "boss.key"}.items()}
        os.environ.update(env)
        self.addCleanup(lambda: [os.environ.pop(name) for name in env])
        self.assertEqual(self.run_it("--limit", "5", target=world.TLS).count("\n"), 6)

    def test_tail_prints_a_row_as_it_is_stored(self) -> None:
        ids = [row.entry_id for row in world.stored()]
        last = world.stored("facility_id = 1")[-1].entry_id
        with start("--tail", "--format", "json", "--limit", str(len(ids) + 2)) as process:
            assert process.stdout
            printed = [json.loads(process.stdout.readline())["entry_id"] for _ in ids]
            world.store(1)
            printed.append(json.loads(process.stdout.readline())["entry_id"])
            world.store(1)
            rest, err = process.communicate(timeout=world.PATIENCE)
        self.assertEqual((process.returncode, err), (0, ""))
        self.assertEqual([*printed, json.loads(rest)["entry_id"]], [*ids, last + 1, last + 2])

    def test_errors(self) -> None:
        cases: List[Any] = [
            (1, "sluice-rows: 127.0.0.1:1: ", ["--target", "127.0.0.1:1"]),
            (1, "sluice-rows: .*plant-9", ["--facility", "plant-9"]),
            (2, "sluice-rows: target: .* not on this machine", ["--target", "api.example:3000"]),
            (2, "sluice-rows: devices.0.: ", ["--device", "a b"]),
            (2, "(?s)usage: .*: 2024-01-01 has no time zone", ["--from", "2024-01-01"]),
            (2, "(?s)usage: .*: 'x' is neither", ["--to", "x"]),
            (2, "(?s)usage: .*: '-1' is not a number", ["--limit=-1"]),
            (2, "sluice-rows: --tail goes by entry", ["--tail", "--to", "5"]),
        ]
        for status, text, arguments in cases:
            with self.subTest(arguments):
                self.assertTrue(re.match(text, err := self.run_it(*arguments, status=status)), err)

    def test_incomplete_is_an_error(self) -> None:
        with fake.Server(QuerySensorRows=fake.query([2], [("sluice-rows", "3")])) as target:
            err = self.run_it(status=1, target=target)
        self.assertEqual(err, "sluice-rows: the stream of rows is not complete: 2 came, and the server counted 3\n")

    def test_full_disk_is_an_error(self) -> None:
        with open("/dev/full", "w", encoding="ascii") as full:
            self.assertRegex(self.run_it("--limit", "1", status=1, stdout=full), "No space left")

    def test_reader_that_has_gone(self) -> None:
        with start("--format", "json") as process:
            assert process.stdout and process.stderr
            process.stdout.readline()
            process.stdout.close()
            self.assertEqual(process.stderr.read(), "")
            self.assertEqual(process.wait(world.PATIENCE), 141)

    def test_interrupt(self) -> None:
        with start("--tail", "--format", "json") as process:
            assert process.stdout
            for _ in range(len(world.stored())):
                process.stdout.readline()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=world.PATIENCE)
        self.assertEqual((process.returncode, out, err), (130, "", ""))

    def test_help_names_every_option(self) -> None:
        text = self.run_it("--help")
        for name in "target ca cert key facility device from to order limit format tail".split():
            self.assertIn(f"--{name}", text)

    def test_is_what_the_package_installs(self) -> None:
        with open(os.path.join(os.path.dirname(__file__), "../pyproject.toml"), encoding="utf-8") as file:
            self.assertIn(f'sluice-rows = "{command.__name__}:{command.main.__name__}"', file.read())


class Shortest(unittest.TestCase):
    def test_fewest_digits_of_single_precision(self) -> None:
        for value, wanted in (
            (21.100000381469727, 21.1), (0.0, 0.0), (-5.5, -5.5), (16777216.0, 16777216.0),
            (0.30000001192092896, 0.3), (3.4028234663852886e38, 3.4028235e38),
        ):
            self.assertEqual(shortest(value), wanted)
