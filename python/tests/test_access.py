"""Who may read, and the ways to connect."""

from __future__ import annotations

import unittest

from sluice_client import Client, InvalidArgument, NotAllowed, NotAuthenticated, Unavailable

from . import world


class MutualTLS(unittest.TestCase):
    def test_rows_of_the_facilities_that_it_may_read(self) -> None:
        with world.tls("boss") as client:
            self.assertEqual(list(client.rows()), world.stored())
            self.assertEqual(len(list(client.legacy_rows())), len(world.stored()))
        with world.tls("analyst") as client:
            self.assertEqual(list(client.rows()), world.stored("name = 'plant-1'"))
            self.assertEqual({d.facility for d in client.devices()}, {"plant-1"})

    def test_bytes_instead_of_files(self) -> None:
        pems = []
        for name in ("ca.crt", "analyst.crt", "analyst.key"):
            with open(world.file(name), "rb") as file:
                pems.append(file.read())
        with Client(world.TLS, *pems) as client:
            self.assertEqual(len(list(client.rows(limit=3))), 3)

    def test_a_facility_that_it_may_not_read(self) -> None:
        with world.tls("analyst") as client:
            for call in (
                client.rows, client.devices, client.outages, client.routes, client.dead_letters, client.aggregate,
                client.tail,
            ):
                with self.subTest(call.__name__), self.assertRaisesRegex(NotAllowed, "plant-2"):
                    next(call(["plant-1", "plant-2"]))  # type: ignore[operator]

    def test_certificates_that_are_not_allowed(self) -> None:
        for name, text in (("stranger", "not in api.clients"), ("device", "sluice://device/analyst")):
            with self.subTest(name), world.tls(name) as client, self.assertRaisesRegex(NotAllowed, text):
                list(client.rows())

    def test_certificates_that_are_not_valid(self) -> None:
        for name, text in (("expired", "has expired"), ("foreign", "not signed by an authority")):
            with self.subTest(name), world.tls(name) as client, self.assertRaisesRegex(NotAuthenticated, text):
                list(client.rows())

    def test_a_server_of_another_authority(self) -> None:
        with Client(world.TLS, world.file("foreign-ca.crt"), world.file("boss.crt"), world.file("boss.key")) as client:
            with self.assertRaises(Unavailable):
                list(client.rows())

    def test_without_a_certificate(self) -> None:
        with Client(world.TLS, world.file("ca.crt")) as client:
            with self.assertRaisesRegex(NotAuthenticated, "no client certificate"):
                list(client.rows())


class Targets(unittest.TestCase):
    def test_plain_text_is_for_this_machine_only(self) -> None:
        for target in ("api.example:3000", "10.0.0.1:3000", "[2001:db8::1]:3000", "localhost.example:3000"):
            with self.subTest(target), self.assertRaisesRegex(InvalidArgument, "not on this machine"):
                Client(target)
        for target in ("127.0.0.1:3000", "127.9.9.9:3000", "localhost:3000", "[::1]:3000"):
            Client(target).close()

    def test_wrong_targets_and_files(self) -> None:
        for target in ("localhost", "localhost:", ":3000", "http://localhost:x", ""):
            with self.subTest(target), self.assertRaisesRegex(InvalidArgument, "not host:port"):
                Client(target)
        with self.assertRaisesRegex(InvalidArgument, "^cert and key: "):
            Client("localhost:1", ca=b"", cert=b"")
        with self.assertRaisesRegex(InvalidArgument, "^ca: .*/nowhere"):
            Client("localhost:1", ca="/nowhere")

    def test_nobody_there(self) -> None:
        with Client("127.0.0.1:1") as client, self.assertRaisesRegex(Unavailable, "^127.0.0.1:1: "):
            list(client.rows())
