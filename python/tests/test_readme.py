"""Runs every line of code in the README."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unittest
from typing import List

from . import world

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def blocks(language: str) -> List[str]:
    """Returns the README's fenced blocks of a language, for the servers of the test."""
    with open(os.path.join(_ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read()
    text = text.replace("127.0.0.1:3000", world.PLAIN).replace("api.example:3000", world.TLS)
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


class Readme(unittest.TestCase):
    def run_it(self, *command: str) -> str:
        """Runs in the folder of the certificates and returns the output."""
        done = subprocess.run(command, cwd=world.CERTS, text=True, capture_output=True, timeout=world.PATIENCE)
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stderr}")
        return done.stdout

    def test_has_no_other_code(self) -> None:
        self.assertEqual(len(blocks("[a-z]*")), len(blocks("python")) + len(blocks("sh")))

    def test_python(self) -> None:
        first, *others = (self.run_it(sys.executable, "-c", block) for block in blocks("python"))
        self.assertEqual(first.count("\n"), len(world.stored("name = 'plant-1'")) + 1)
        for other in others:
            self.assertGreater(other.count("\n"), 0)

    def test_commands(self) -> None:
        one = f'set -euo pipefail; sluice-rows() {{ "{sys.executable}" -m sluice_client "$@"; }}\n'
        printed = 0
        for block in blocks("sh"):
            for line in block.splitlines():
                with self.subTest(line):
                    self.assertGreater(self.run_it("bash", "-c", one + line).count("\n"), 1)
                    printed += 1
        self.assertGreater(printed, 2)
