"""The command sluice-rows."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from datetime import datetime
from typing import Iterator, List, Optional

from .client import Client
from .errors import InvalidArgument, SluiceError
from .output import FORMATS
from .row import Row

_DESCRIPTION = """\
Prints the readings that a Sluice has stored. The exit status is 0 only when all
that were asked for have been printed; 1 after an error, 2 for wrong arguments.
"""
_EPILOG = """\
Times are Unix seconds or ISO 8601 with a zone, such as 2026-01-31T12:00:00Z.
SLUICE_TARGET, SLUICE_CA, SLUICE_CERT and SLUICE_KEY stand for the options of
that name. A target on another machine needs TLS: --ca, --cert and --key.
"""


def main(argv: Optional[List[str]] = None) -> int:
    """Runs the command and returns its exit status. argv is without the name."""
    options = _parser().parse_args(argv)
    try:
        _run(options)
    except BrokenPipeError:
        _forget_output()
        return 128 + 13  # as if SIGPIPE had ended it
    except KeyboardInterrupt:
        _forget_output()
        return 128 + 2
    except (SluiceError, OSError) as error:
        _forget_output()
        print(f"sluice-rows: {error}", file=sys.stderr)
        return 2 if isinstance(error, InvalidArgument) else 1
    return 0


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        "sluice-rows", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    env = os.environ.get
    p.add_argument("--target", default=env("SLUICE_TARGET", "127.0.0.1:3000"), help="the api, host:port (%(default)s)")
    p.add_argument("--ca", default=env("SLUICE_CA"), help="file with the authority of the server's certificate")
    p.add_argument("--cert", default=env("SLUICE_CERT"), help="file with the client's certificate")
    p.add_argument("--key", default=env("SLUICE_KEY"), help="file with its key")
    p.add_argument("--facility", action="append", default=[], help="only this facility; may be repeated")
    p.add_argument("--device", action="append", default=[], help="only this device; may be repeated")
    p.add_argument("--from", dest="start", metavar="TIME", type=_time, help="only what was read at or after this")
    p.add_argument("--to", dest="end", metavar="TIME", type=_time, help="only what was read before this")
    p.add_argument("--order", choices=["entry", "device_time"], default="entry", help="within a facility (%(default)s)")
    p.add_argument("--limit", type=_count, default=0, metavar="N", help="at most N rows")
    p.add_argument("--format", choices=list(FORMATS), default="table", help="(%(default)s) json is an object per line")
    p.add_argument("--tail", action="store_true", help="go on with each row as it is stored")
    return p


def _run(options: argparse.Namespace) -> None:
    sys.stdout.reconfigure(line_buffering=options.tail)  # type: ignore[attr-defined]
    with Client(options.target, options.ca, options.cert, options.key) as client:
        FORMATS[options.format](_rows(client, options), sys.stdout)
    sys.stdout.flush()


def _rows(client: Client, options: argparse.Namespace) -> Iterator[Row]:
    if not options.tail:
        return client.rows(
            options.facility, options.device, options.start, options.end, options.order, options.limit
        )
    if options.start is not None or options.end is not None or options.order != "entry":
        raise InvalidArgument("--tail goes by entry, without --from, --to and --order")
    return itertools.islice(client.tail(options.facility, options.device), options.limit or None)


def _forget_output() -> None:
    """Prints what can still be printed, and keeps the interpreter from trying again
    at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        pass
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _time(text: str) -> datetime | float:
    """Returns Unix seconds or a datetime with a zone."""
    try:
        return float(text)
    except ValueError:
        pass
    try:  # fromisoformat knows Z since Python 3.11
        time = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither Unix seconds nor ISO 8601") from None
    if time.utcoffset() is None:
        raise argparse.ArgumentTypeError(f"{text} has no time zone; add Z for UTC")
    return time


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, 0 or more")
    return int(text)
