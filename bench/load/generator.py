"""The generator's loop: connections, arrivals, and a row for every request."""

import asyncio
import random
import resource
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from .connection import FAILED, Connection
from .plan import Closed, Plan

CONNECT_SECONDS = 10.0
RECONNECT_SECONDS = 0.1


class Generator:
    """Runs one plan. Times are seconds since the plan began.

    A row is (target, time at which it was due, seconds from then to its answer, status). In an open
    load a request is due when it should have been sent: a generator or a server that falls behind
    does not make latencies look better.

    All methods run in one event loop, so its fields need no lock.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)
        self._bodies = [_body(Path(body).read_bytes()) for body in plan.bodies]
        self._heads = [_head(plan, target.path, target.headers) for target in plan.targets]
        self._picks = self._pick()
        # A connection is connecting, idle or busy; the plan limits their number.
        self._connections = 0
        self._idle: list[Connection] = []
        self._busy: dict[Connection, tuple[int, float, asyncio.TimerHandle]] = {}
        self._waiting: deque[tuple[int, float]] = deque()
        self._rows: list[tuple[int, float, float, int]] = []
        self._connecting: set[asyncio.Task[None]] = set()
        self._late = 0.0

    async def run(self) -> dict[str, Any]:
        """Run the plan and return its rows, CPU seconds and lateness."""
        self._loop = asyncio.get_running_loop()
        self._start = perf_counter()  # uvloop's own clock counts whole milliseconds
        self._end = self._plan.warmup + self._plan.seconds
        if isinstance(self._plan.arrivals, Closed):
            for _ in range(self._plan.arrivals.clients):
                self._request(next(self._picks), 0.0)
            await self._until(self._end)
        else:
            await self._arrive(self._plan.arrivals.rate)
        await self._finish()
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "rows": self._rows,
            "cpu_seconds": used.ru_utime + used.ru_stime,
            "late": self._late,
        }

    def _now(self) -> float:
        return perf_counter() - self._start

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self._now()))

    async def _arrive(self, rate: float) -> None:
        """Send requests by a Poisson process; those that are overdue are sent without a pause."""
        due = self._random.expovariate(rate)
        while due < self._end:
            if due > self._now():
                await self._until(due)
                self._late = max(self._late, self._now() - due)
            self._request(next(self._picks), due)
            due += self._random.expovariate(rate)
        await self._until(self._end)

    async def _finish(self) -> None:
        """Wait for outstanding answers; requests that are not sent by then count as failed."""
        last = self._now() + self._plan.timeout
        while (self._busy or self._connecting) and self._now() < last:
            await asyncio.sleep(0.01)
        for target, due in self._waiting:
            self._rows.append((target, due, self._now() - due, FAILED))
        for connection in [*self._busy, *self._idle]:
            connection.abort()

    def _pick(self) -> Iterator[int]:
        weights = [target.weight for target in self._plan.targets]
        while True:  # many at once, which costs less per pick
            yield from self._random.choices(range(len(weights)), weights, k=1000)

    def _request(self, target: int, due: float) -> None:
        """Send a request on an idle connection or a new one, else queue it."""
        if self._idle:
            self._send(self._idle.pop(), target, due)
        elif self._connections < self._plan.connections:
            self._connections += 1
            task = self._loop.create_task(self._connect(target, due))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        else:
            self._waiting.append((target, due))

    async def _connect(self, target: int, due: float) -> None:
        connecting = self._loop.create_connection(
            lambda: Connection(self._answered), self._plan.host, self._plan.port
        )
        try:
            _, connection = await asyncio.wait_for(connecting, CONNECT_SECONDS)
        except (OSError, TimeoutError):
            self._connections -= 1
            self._rows.append((target, due, self._now() - due, FAILED))
            # Without a pause a server that refuses connections would be called in a busy loop.
            await asyncio.sleep(RECONNECT_SECONDS)
            self._next()
            return
        self._send(connection, target, due)

    def _send(self, connection: Connection, target: int, due: float) -> None:
        timer = self._loop.call_later(self._plan.timeout, connection.abort)
        self._busy[connection] = (target, due, timer)
        connection.send(self._heads[target], self._random.choice(self._bodies))

    def _answered(self, connection: Connection, status: int) -> None:
        target, due, timer = self._busy.pop(connection)
        timer.cancel()
        self._rows.append((target, due, self._now() - due, status))
        if connection.closed:
            self._connections -= 1
        else:
            self._idle.append(connection)
        self._next()

    def _next(self) -> None:
        """Use a free connection for a waiting request, or for a closed load's next one."""
        if self._now() >= self._end:
            return
        if self._waiting:
            self._request(*self._waiting.popleft())
        elif isinstance(self._plan.arrivals, Closed):
            self._request(next(self._picks), self._now())


# A head and a body are made once for each target and each file, and sent side by side.


def _head(plan: Plan, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: {plan.host}:{plan.port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode()


def _body(body: bytes) -> bytes:
    """Return the last header and the body, which follow a head."""
    return b"\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
