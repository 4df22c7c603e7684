"""The engine's end of a connection, frame by frame."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from facet_vision.backbone import Preprocess
from facet_vision.service.predictor.protocol import PredictRequest
from facet_vision.service.predictor.socket_server import PredictorServer
from facet_vision.service.predictor.wire import Channel, Kind, error_of, request_bytes
from facet_vision.service.settings import MIB, Settings
from facet_vision.service.telemetry.multiprocess import Counted, Sample
from facet_vision.service.telemetry.request_log import current
from facet_vision.service.workers.proxy import _end_to_end
from facet_vision.service.workers.supervisor import _share

pytestmark = pytest.mark.anyio

PREPROCESS = Preprocess((3, 2, 2), (0.5,) * 3, (0.5,) * 3)
REQUEST = request_bytes(PredictRequest(["pets"], 1, 60.0), 0.0)


class Patient:
    """A predictor that admits everything; admitted requests wait for their images for ever.

    Attributes:
        inside: admitted requests that have not ended.
        entered: admitted requests so far.
        checked: ids of the requests that were checked.
    """

    def __init__(self) -> None:
        self.checked: list[str] = []
        self.inside = 0
        self.entered = 0

    async def check(self, *_: Any) -> None:
        self.checked.append(current.get())
        raise ValueError("secret")

    @asynccontextmanager
    async def admit(self, *_: Any) -> AsyncIterator[Any]:
        self.inside += 1
        self.entered += 1
        try:
            yield None
        finally:
            self.inside -= 1


class Wire:
    """Carries what one end writes to the other at once."""

    def __init__(self, other: Channel) -> None:
        self.other = other

    def writelines(self, parts: list[bytes]) -> None:
        self.other.data_received(b"".join(parts))


class HttpWorker:
    """The HTTP worker's end of a connection."""

    def __init__(self, predictor: Patient) -> None:
        self.received: list[tuple[Kind, int, bytes]] = []
        self.predictor_server = PredictorServer(predictor, PREPROCESS, lambda: 0.0)
        self.connection = self.predictor_server._connect()
        self.channel = Channel(lambda *frame: self.received.append(frame), lambda: None)
        self.connection.channel.connection_made(Wire(self.channel))  # type: ignore[arg-type]
        self.channel.connection_made(Wire(self.connection.channel))  # type: ignore[arg-type]


async def test_a_cancelled_request_is_forgotten_however_soon() -> None:
    predictor = Patient()
    http_worker = HttpWorker(predictor)
    http_worker.channel.send(Kind.PREDICT, 1, REQUEST)
    http_worker.channel.send(Kind.CANCEL, 1)  # before the engine's loop runs the request
    http_worker.channel.send(Kind.PREDICT, 2, REQUEST)
    await asyncio.sleep(0.01)
    assert (predictor.entered, predictor.inside) == (1, 1)
    http_worker.channel.send(Kind.CANCEL, 2)
    await asyncio.sleep(0.01)
    assert (predictor.inside, http_worker.connection._exchanges) == (0, {})
    assert [(kind, number) for kind, number, _ in http_worker.received] == [
        (Kind.HELLO, 0),
        (Kind.ADMITTED, 2),
    ]


async def test_requests_end_with_their_http_worker() -> None:
    predictor = Patient()
    http_worker = HttpWorker(predictor)
    for number in range(3):
        http_worker.channel.send(Kind.PREDICT, number, REQUEST)
    await asyncio.sleep(0.01)
    assert (predictor.inside, len(http_worker.predictor_server)) == (3, 1)
    http_worker.connection.channel.connection_lost(None)
    await asyncio.sleep(0.01)
    assert (predictor.inside, len(http_worker.predictor_server)) == (0, 0)


async def test_a_failure_is_reported_and_a_foreign_text_is_not() -> None:
    http_worker = HttpWorker(Patient())
    http_worker.channel.send(Kind.CHECK, 9, REQUEST)
    await asyncio.sleep(0.01)
    kind, number, payload = http_worker.received[-1]
    assert (kind, number) == (Kind.FAILED, 9)
    assert "secret" not in str(error_of(payload))


async def test_the_id_of_a_request_is_known_where_it_is_answered_and_nowhere_else() -> None:
    http_worker = HttpWorker(predictor := Patient())
    token = current.set("order-17")
    try:
        named = request_bytes(PredictRequest(["pets"], 1, 60.0), 0.0)
    finally:
        current.reset(token)
    for number, payload in enumerate((named, REQUEST)):
        http_worker.channel.send(Kind.CHECK, number, payload)
    await asyncio.sleep(0.01)
    assert (predictor.checked, current.get()) == (["order-17", ""], "")


async def test_counts_include_zeros_and_those_of_http_workers_that_have_ended() -> None:
    first = HttpWorker(Patient())
    predictor_server = first.predictor_server
    second = predictor_server._connect()
    zero, some, held = (
        Sample("s", "s_bucket", (("le", "1"),)),
        Sample("s", "s_count", ()),
        Sample("b", "b", ()),
    )
    for connection in (first.connection, second):
        connection.counted = Counted({zero: 0.0, some: 2.0, held: 7.0})

        async def nothing() -> None:
            return

        connection.count = nothing  # type: ignore[method-assign]
    total = await predictor_server.counts()
    assert total.values == {zero: 0.0, some: 4.0, held: 14.0}
    predictor_server._disconnect(second)
    counted = await predictor_server.counts()
    assert list(counted.values.items()) == [(zero, 0.0), (some, 4.0), (held, 7.0)]


def test_the_share_of_an_http_worker_has_room_for_the_largest_request() -> None:
    settings = Settings(
        http_workers=8, decode_threads=4, max_inflight_bytes=512 * MIB, max_request_bytes=128 * MIB
    )
    share = _share(settings)
    assert (share.max_inflight_bytes, share.decode_threads) == (128 * MIB, 1)
    assert _share(settings.model_copy(update={"http_workers": 2})).max_inflight_bytes == 256 * MIB


def test_headers_of_the_connection_are_not_passed_on() -> None:
    headers = [
        (b"connection", b"Close, X-Mine"),
        (b"x-mine", b"1"),
        (b"te", b"gzip"),
        (b"host", b"a"),
        (b"via", b"b"),
    ]
    assert _end_to_end(headers, ours={b"via"}) == [(b"host", b"a")]
