"""Head and body of an answer leave together."""

import asyncio
from collections.abc import Iterable

import pytest

from facet_vision.service.http.server.writes import CoalescedWrites

pytestmark = pytest.mark.anyio


class Recorder(asyncio.Transport):
    """Records what is written, one entry for each write."""

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


def coalesced() -> tuple[Recorder, CoalescedWrites]:
    recorder = Recorder()
    return recorder, CoalescedWrites(recorder, asyncio.get_running_loop())


async def test_two_writes_leave_as_one() -> None:
    recorder, transport = coalesced()
    for part in (b"head", b"body", b"next head", b"next body"):
        transport.write(part)
    assert recorder.sent == [b"headbody", b"next headnext body"]
    await asyncio.sleep(0)
    assert len(recorder.sent) == 2


async def test_a_write_that_stays_alone_leaves_in_the_next_iteration() -> None:
    recorder, transport = coalesced()
    transport.write(b"100 Continue")
    assert recorder.sent == []
    await asyncio.sleep(0)
    assert recorder.sent == [b"100 Continue"]
    transport.write(b"head")
    transport.write(b"body")
    assert recorder.sent == [b"100 Continue", b"headbody"]


async def test_closing_sends_what_waits() -> None:
    recorder, transport = coalesced()
    transport.write(b"last")
    transport.close()
    assert (recorder.sent, recorder.closed) == ([b"last"], True)
    await asyncio.sleep(0)
    assert recorder.sent == [b"last"]


async def test_nothing_is_written_to_a_closed_connection() -> None:
    recorder, transport = coalesced()
    transport.write(b"too late")
    recorder.closed = True
    await asyncio.sleep(0)
    assert recorder.sent == []


async def test_everything_else_is_passed_on_to_the_transport() -> None:
    _, transport = coalesced()
    assert transport.get_extra_info("peername") == "peername"
