"""Head and body of an answer leave together, and nothing stays behind."""

import asyncio
import gc
from collections.abc import Iterable

import pytest

from service.http_server import spare_the_collector
from service.transport import PairedWrites

pytestmark = pytest.mark.anyio


class Recorder(asyncio.Transport):
    """Keeps what is written, one entry for each write."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.sent.append(data)

    def writelines(self, list_of_data: Iterable[bytes]) -> None:  # type: ignore[override]
        self.sent.append(b"".join(list_of_data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str, default: object = None) -> object:  # noqa: ARG002
        return name


def paired() -> tuple[Recorder, PairedWrites]:
    recorder = Recorder()
    return recorder, PairedWrites(recorder, asyncio.get_running_loop())


async def test_two_writes_leave_as_one() -> None:
    recorder, transport = paired()
    for part in (b"head", b"body", b"next head", b"next body"):
        transport.write(part)
    assert recorder.sent == [b"headbody", b"next headnext body"]
    await asyncio.sleep(0)
    assert len(recorder.sent) == 2


async def test_a_write_that_stays_alone_leaves_soon() -> None:
    recorder, transport = paired()
    transport.write(b"100 Continue")
    assert recorder.sent == []
    await asyncio.sleep(0)
    assert recorder.sent == [b"100 Continue"]
    transport.write(b"head")
    transport.write(b"body")
    assert recorder.sent == [b"100 Continue", b"headbody"]


async def test_closing_sends_what_is_left() -> None:
    recorder, transport = paired()
    transport.write(b"last")
    transport.close()
    assert (recorder.sent, recorder.closed) == ([b"last"], True)
    await asyncio.sleep(0)
    assert recorder.sent == [b"last"]


async def test_nothing_is_written_to_a_connection_that_is_gone() -> None:
    recorder, transport = paired()
    transport.write(b"for nobody")
    recorder.closed = True
    await asyncio.sleep(0)
    assert recorder.sent == []


async def test_everything_else_is_the_transports_own() -> None:
    _, transport = paired()
    assert transport.get_extra_info("peername") == "peername"


def test_what_a_start_made_is_out_of_the_collectors_sight() -> None:
    before = gc.get_freeze_count()
    try:
        spare_the_collector()
        assert gc.get_freeze_count() > before + 10_000
    finally:
        gc.unfreeze()
