"""What goes wrong in the middle is an error, never an end."""

from __future__ import annotations

import unittest
from typing import Any

from sluice_client import Client, Unavailable

from . import world


class MidStream(unittest.TestCase):
    """Each leaves the servers as they are: the names have an order."""

    @classmethod
    def setUpClass(cls) -> None:
        world.store(400_000)  # far more than the connection buffers

    def interrupted(self, action: str, rows: Any) -> int:
        """Has something done while rows are read, and returns how many came."""
        received = 1
        next(rows)
        world.control(action)
        with self.assertRaises(Unavailable):
            for _ in rows:
                received += 1
        return received

    def test_1_api_restarted(self) -> None:
        with Client(world.PLAIN) as client:
            self.assertLess(self.interrupted("restart", client.rows()), 400_000)
            self.assertEqual(len(list(client.rows(limit=5))), 5)  # the client lives on

    def test_2_postgres_killed(self) -> None:
        with Client(world.PLAIN) as client:
            self.assertLess(self.interrupted("kill", client.rows()), 400_000)
            with self.assertRaisesRegex(Unavailable, "the database does not answer"):
                list(client.rows())
            with self.assertRaisesRegex(Unavailable, "the database does not answer"):
                list(client.devices())
