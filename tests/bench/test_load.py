"""The load generator against a server that does what a path says."""

import asyncio
import json
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facet_vision.bench.load import Closed, Open, Outcome, Plan, Target, generate
from facet_vision.bench.load.connection import FAILED
from facet_vision.bench.load.generate import Row
from facet_vision.bench.load.generator import Generator

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
REFUSED = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Server:
    """Answers POST requests by their path; counts them and the connections."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0
        self.most = 0  # requests at once
        self._now = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        path = first.split()[1]
        self.asked.append((path, headers, await reader.readexactly(int(headers["content-length"]))))
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep({"/slow": 0.05, "/silent": 60.0}.get(path, 0.001))
        self._now -= 1
        if path == "/gone":
            return False
        writer.write({"/refused": REFUSED, "/chunked": CHUNKED}.get(path, ANSWER))
        return path != "/refused"


@pytest.fixture
def body(tmp_path: Path) -> str:
    path = tmp_path / "body"
    path.write_bytes(b"an image")
    return str(path)


def run(
    server: Server, targets: list[Target], arrivals: Closed | Open, body: str, **options: Any
) -> Outcome:
    """Run a short plan in this process against the server."""

    async def main() -> Outcome:
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        defaults = {"seconds": 0.3, "warmup": 0.05, "timeout": 5.0}
        plan = Plan("127.0.0.1", port, targets, [body], arrivals, **(defaults | options))
        found = await Generator(Plan.from_json(plan.to_json())).run()
        listener.close()
        json.dumps(found)
        rows = [
            Row(targets[target].group, due, latency, status)
            for target, due, latency, status in found["rows"]
        ]
        return Outcome(plan, rows, found["cpu_seconds"], found["late"])

    return asyncio.run(main())


@pytest.mark.parametrize("path", ["/plain", "/chunked"])
def test_clients_of_a_closed_load_send_one_request_after_another(path: str, body: str) -> None:
    server = Server()
    outcome = run(server, [Target(path, headers={"X-Task": "a"})], Closed(3), body)
    assert server.connections == 3
    assert server.most <= 3
    assert outcome.failed == 0
    assert outcome.rate() > 50
    asked, headers, sent = server.asked[0]
    assert (asked, headers["x-task"], sent) == (path, "a", b"an image")


def test_an_open_load_does_not_wait_for_answers(body: str) -> None:
    server = Server()
    outcome = run(server, [Target("/slow")], Open(200.0), body)
    assert 0.5 * 200 * 0.35 < len(outcome.rows) < 1.5 * 200 * 0.35
    assert server.most > 3
    assert outcome.latency(0.5) >= 0.05


def test_latency_counts_from_when_a_request_was_due(body: str) -> None:
    outcome = run(Server(), [Target("/slow")], Open(100.0), body, connections=1, warmup=0.0)
    # One connection serves 20 requests per second: most have to wait for it.
    assert outcome.latency(0.99) > 0.15
    assert outcome.unanswered > 0  # those that were never sent


def test_targets_have_traffic_by_their_weights(body: str) -> None:
    server = Server()
    outcome = run(
        server, [Target("/often", 9.0, "often"), Target("/rare", 1.0, "rare")], Closed(4), body
    )
    often, rare = len(outcome.counted("often")), len(outcome.counted("rare"))
    assert often > 3 * rare > 0
    assert len(outcome.counted()) == often + rare


def test_a_refusal_counts_as_answered_and_its_connection_is_replaced(body: str) -> None:
    server = Server()
    outcome = run(server, [Target("/refused")], Closed(2), body)
    assert outcome.rate() == 0
    assert outcome.rate(good=False) > 0
    assert (outcome.failed, outcome.unanswered) == (1.0, 0.0)
    assert server.connections == len(server.asked) > 2
    assert math.isnan(outcome.latency(0.5))
    assert outcome.latency(0.5, good=False) > 0


@pytest.mark.parametrize("path", ["/gone", "/silent"])
def test_a_request_without_answer_has_failed(path: str, body: str) -> None:
    outcome = run(Server(), [Target(path)], Closed(2), body, timeout=0.1)
    assert {row.status for row in outcome.rows} == {FAILED}
    assert outcome.unanswered == 1.0


def test_a_server_that_is_not_there_fails_every_request(body: str) -> None:
    plan = Plan("127.0.0.1", 1, [Target("/")], [body], Closed(2), 0.2, 0.0)
    found = asyncio.run(Generator(plan).run())
    assert {status for *_, status in found["rows"]} == {FAILED}


def test_the_same_seed_sends_the_same_requests(body: str) -> None:
    targets = [Target(f"/{number}") for number in range(5)]
    asked = []
    for seed in (1, 1, 2):
        server = Server()
        run(server, targets, Closed(1), body, seed=seed)
        asked.append([path for path, *_ in server.asked][:20])
    assert asked[0] == asked[1] != asked[2]


ROWS = [
    Row("all", due, 0.25, status)
    for due, status in ((0.5, 200), (0.9, 200), (1.2, 200), (1.3, 429), (1.9, 200))
]


def counted(arrivals: Closed | Open) -> Outcome:
    """Rows of which the second of counted seconds cuts two."""
    return Outcome(
        Plan("h", 1, [Target("/")], [], arrivals, seconds=1.0, warmup=1.0), ROWS, 0.0, 0.0
    )


def test_only_the_counted_seconds_count() -> None:
    outcome = counted(Open(1.0))
    assert outcome.rate() == 2.0  # the answers to those due at 0.9 and 1.2 arrived in time
    assert outcome.rate(good=False) == 1.0
    assert [row.due for row in outcome.counted()] == [1.2, 1.3, 1.9]
    assert outcome.failed == pytest.approx(1 / 3)


def test_a_closed_load_counts_answers_by_the_share_that_lies_within() -> None:
    assert counted(Closed(1)).rate() == pytest.approx(0.15 / 0.25 + 1 + 0.1 / 0.25)
    lumps = [Row("all", due, 3.0, 200) for due in (0.0, 3.0, 6.0, 9.0) for _ in range(32)]
    for warmup in (0.5, 1.0, 2.0):
        plan = Plan("h", 1, [Target("/")], [], Closed(32), seconds=8.0, warmup=warmup)
        assert Outcome(plan, lumps, 0.0, 0.0).rate() == pytest.approx(32 / 3)


@pytest.fixture
def background() -> Iterator[tuple[Server, int]]:
    """A server in a thread of its own."""
    server, loop, ports = Server(), asyncio.new_event_loop(), []
    started, ended = threading.Event(), asyncio.Event()

    async def main() -> None:
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        ports.append(listener.sockets[0].getsockname()[1])
        started.set()
        await ended.wait()
        listener.close()

    thread = threading.Thread(target=loop.run_until_complete, args=[main()])
    thread.start()
    started.wait()
    yield server, ports[0]
    loop.call_soon_threadsafe(ended.set)
    thread.join()
    loop.close()


def test_the_generator_runs_in_a_process_of_its_own(
    background: tuple[Server, int], body: str
) -> None:
    server, port = background
    calls: list[int] = []
    plan = Plan("127.0.0.1", port, [Target("/plain", group="a")], [body], Closed(2), 0.3, 0.1)
    outcome = generate(plan, lambda: calls.append(1))
    assert len(server.asked) == len(outcome.rows) > 10
    assert {row.group for row in outcome.rows} == {"a"}
    assert outcome.cpu_share > 0
    assert len(calls) > 3
