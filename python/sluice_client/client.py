"""The client."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from types import TracebackType
from typing import Any, Callable, Generator, Iterator, Optional, Type, TypeVar, Union

import grpc
from google.protobuf import empty_pb2

from . import arguments, frame, records
from ._gen import api_pb2
from .arguments import Names, Time
from .connection import PEM, Connection
from .errors import SluiceError
from .row import Row, rows_of
from .stream import counted
from .tail import Tail

T = TypeVar("T")

#: Elements that are asked for at once. Dead letters have the server's default:
#: they may be long.
_PAGE = 1000


class Client:
    """A connection to the API of a Sluice.

    `facilities` in every method are names, or one name: empty means all that the
    client may read; one that it may not read raises NotAllowed, one that does not
    exist NotFound. `start` and `end` are datetimes with a time zone or Unix time in
    seconds: what was read at or after start, and before end.

    Arguments are checked when a method is called; the call to the server begins
    with the first element that is asked for. Every method raises SluiceError, or
    one of the errors derived from it.

    Safe for concurrent use; what a method returns is for one thread.
    """

    def __init__(
        self,
        target: str,
        ca: Optional[PEM] = None,
        cert: Optional[PEM] = None,
        key: Optional[PEM] = None,
        *,
        timeout: Optional[float] = None,
    ) -> None:
        """Takes host:port and, as files or bytes in PEM form, the authority of the
        server's certificate and the client's certificate with its key. Only a target
        on this machine may go without. timeout is for one call, seconds: a page of a
        list or a whole stream of rows, not a tail; None is no limit.

        Nothing is sent before the first call.
        """
        self._connection = Connection(target, ca, cert, key)
        self._timeout = timeout

    def close(self) -> None:
        """Ends the connection, and every call of it."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def rows(
        self,
        facilities: Names = (),
        devices: Names = (),
        start: Optional[Time] = None,
        end: Optional[Time] = None,
        order: str = "entry",
        limit: int = 0,
    ) -> Iterator[Row]:
        """Yields the readings that are stored when the call begins, facility by
        facility, in the order "entry" (of storing) or "device_time"; at most limit, 0
        is no limit. It ends without an error only behind the last of them. Stopping
        early cancels the call.
        """
        return _flat(self._responses(facilities, devices, start, end, order, limit))

    def to_pandas(
        self,
        facilities: Names = (),
        devices: Names = (),
        start: Optional[Time] = None,
        end: Optional[Time] = None,
        order: str = "entry",
        limit: int = 0,
    ) -> Any:
        """Returns what rows yields as a pandas.DataFrame, with a column `time` in UTC
        besides. Needs the extra [pandas]."""
        return frame.of_chunks(m.chunk for m in self._responses(facilities, devices, start, end, order, limit))

    def legacy_rows(self) -> Iterator[Row]:
        """Yields all rows by the method of the first clients,
        service.Query/GetSensorRows: by facility_id and entry_id, without the name of
        the facility. rows is faster."""
        with closing(self._counted(self._connection.get_sensor_rows, empty_pb2.Empty(), lambda _: 1)) as responses:
            for m in responses:
                yield Row("", m.facility_id, m.entry_id, m.device, m.temp, m.rh, m.epoch)

    def tail(
        self,
        facilities: Names = (),
        devices: Names = (),
        token: Optional[str] = None,
        live_only: bool = False,
        *,
        reconnect: bool = True,
    ) -> Tail:
        """Returns the rows that are stored, then each as it is stored, without end.
        token is that of an earlier tail with the same facilities and devices, to go on
        behind it; without one, live_only leaves out what is stored already. See Tail
        for reconnecting; with reconnect=False Unavailable is raised instead.
        """
        request = api_pb2.TailSensorRowsRequest(
            facilities=arguments.names(facilities), devices=arguments.names(devices), live_only=live_only
        )

        def begin(behind: str) -> Any:
            request.resume_token = behind
            return self._connection.tail_sensor_rows(request)

        return Tail(begin, self._connection.error, token, reconnect)

    def aggregate(
        self,
        facilities: Names = (),
        devices: Names = (),
        start: Optional[Time] = None,
        end: Optional[Time] = None,
        bucket: Union[int, timedelta] = 0,
    ) -> Iterator[records.Bucket]:
        """Yields count, least, mean and greatest of readings over spans of `bucket`
        seconds, by facility, device and time. 0 is one span for all readings of a
        device. Spans without a reading are left out."""
        request = api_pb2.AggregateSensorRequest(
            facilities=arguments.names(facilities), devices=arguments.names(devices), from_epoch=arguments.start(start),
            to_epoch=arguments.end(end), bucket_seconds=arguments.bucket(bucket), page_size=_PAGE,
        )
        return self._list(self._connection.aggregate_sensor, request, "buckets", records.bucket)

    def devices(self, facilities: Names = (), state: str = "") -> Iterator[records.Device]:
        """Yields the known devices, by facility and device; of a state only where one
        is given: up, suspect or down."""
        request = api_pb2.ListDevicesRequest(
            facilities=arguments.names(facilities), state=arguments.state(state), page_size=_PAGE
        )
        return self._list(self._connection.list_devices, request, "devices", records.device)

    def outages(
        self,
        facilities: Names = (),
        device: str = "",
        open: bool = False,
        start: Optional[Time] = None,
        end: Optional[Time] = None,
    ) -> Iterator[records.Outage]:
        """Yields outages that began in that time, by facility and the latest first: of
        one device if it is given, only those that last if open."""
        request = api_pb2.ListOutagesRequest(
            facilities=arguments.names(facilities), device=device, open=open, page_size=_PAGE
        )
        if start is not None:
            getattr(request, "from").CopyFrom(arguments.timestamp("start", start))
        if end is not None:
            request.to.CopyFrom(arguments.timestamp("end", end))
        return self._list(self._connection.list_outages, request, "outages", records.outage)

    def routes(self, facilities: Names = ()) -> Iterator[records.Route]:
        """Yields routes as their routers last told, by facility and route."""
        request = api_pb2.ListRoutesRequest(facilities=arguments.names(facilities), page_size=_PAGE)
        return self._list(self._connection.list_routes, request, "routes", records.route)

    def dead_letters(
        self, facilities: Names = (), route: str = "", device: str = "", reason: str = ""
    ) -> Iterator[records.DeadLetter]:
        """Yields messages that could never be handled, the latest first: of one
        route, device or reason if it is given."""
        request = api_pb2.ListDeadLettersRequest(
            facilities=arguments.names(facilities), route=route, device=device, reason=reason
        )
        return self._list(self._connection.list_dead_letters, request, "dead_letters", records.dead_letter)

    def _responses(
        self, facilities: Names, devices: Names, start: Optional[Time], end: Optional[Time], order: str, limit: int
    ) -> Generator[Any, None, None]:
        """Returns the responses of QuerySensorRows."""
        request = api_pb2.QuerySensorRowsRequest(
            facilities=arguments.names(facilities), devices=arguments.names(devices), from_epoch=arguments.start(start),
            to_epoch=arguments.end(end), order=arguments.order(order), limit=limit,
        )
        return self._counted(self._connection.query_sensor_rows, request, lambda m: len(m.chunk.entry_id))

    def _counted(self, method: Any, request: Any, size: Callable[[Any], int]) -> Generator[Any, None, None]:
        yield from counted(method(request, timeout=self._timeout), size, self._connection.error)

    def _list(self, method: Any, request: Any, field: str, convert: Callable[[Any], T]) -> Iterator[T]:
        """Yields the elements of all pages."""
        while True:
            try:
                page = method(request, timeout=self._timeout)
            except grpc.RpcError as error:
                raise self._connection.error(error) from error
            yield from map(convert, getattr(page, field))
            if not page.next_page_token:
                return
            if page.next_page_token == request.page_token:
                raise SluiceError(f"{self._connection.target}: the server gave one page twice")
            request.page_token = page.next_page_token


def _flat(responses: Generator[Any, None, None]) -> Iterator[Row]:
    with closing(responses):  # a consumer that stops early ends the call
        for response in responses:
            yield from rows_of(response.chunk)
