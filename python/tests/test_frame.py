"""Rows as a DataFrame: with a stand-in for pandas, which is not a dependency of
the tests, and with pandas itself where it is installed."""

from __future__ import annotations

import importlib.util
import sys
import types
import unittest
from typing import Any, Dict
from unittest import mock

from sluice_client import Client, Unavailable

from . import world


class Frame(Dict[str, Any]):
    """The few things that of_chunks asks of pandas.DataFrame."""

    def astype(self, types: Dict[str, str]) -> Frame:
        self.types = types
        return self


class ToPandas(unittest.TestCase):
    def test_columns_equal_the_database(self) -> None:
        pandas = types.SimpleNamespace(DataFrame=Frame, to_datetime=lambda epoch, **how: (list(epoch), how))
        with mock.patch.dict(sys.modules, pandas=pandas), Client(world.PLAIN) as client:
            frame = client.to_pandas("plant-1", limit=1500)
        rows = world.stored("name = 'plant-1'")[:1500]
        for name in ("facility", "facility_id", "entry_id", "device", "temp", "rh", "epoch"):
            self.assertEqual(frame[name], [getattr(r, name) for r in rows], name)
        self.assertEqual(frame["time"], ([r.epoch for r in rows], {"unit": "s", "utc": True}))
        self.assertEqual(frame.types["temp"], "float32")

    def test_without_pandas_says_how_to_get_it(self) -> None:
        with mock.patch.dict(sys.modules, pandas=None), Client(world.PLAIN) as client:
            with self.assertRaisesRegex(ImportError, r"pip install 'sluice-client\[pandas\]'"):
                client.to_pandas()

    def test_an_error_is_raised(self) -> None:
        with mock.patch.dict(sys.modules, pandas=types.SimpleNamespace()), Client("127.0.0.1:1") as client:
            with self.assertRaises(Unavailable):
                client.to_pandas()

    def test_with_pandas_itself(self) -> None:
        if importlib.util.find_spec("pandas") is None:
            return  # the columns were compared above
        with Client(world.PLAIN) as client:
            frame, empty = client.to_pandas("plant-1"), client.to_pandas(devices="nobody")
        rows = world.stored("name = 'plant-1'")
        self.assertEqual(list(frame["entry_id"]), [r.entry_id for r in rows])
        self.assertEqual([t.to_pydatetime() for t in frame["time"][:9]], [r.time for r in rows[:9]])
        self.assertEqual(list(empty.columns), list(frame.columns))
        self.assertEqual(list(empty.dtypes)[1:3], list(frame.dtypes)[1:3])
