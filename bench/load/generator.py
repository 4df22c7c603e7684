"""The generator's loop: connections, arrivals, and a line for every request."""

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


class Generator:
    """Runs one plan. Times are seconds since the plan began.

    A row is (target, when it was due, how long until its answer, status). What an open load is due at is when the
    request should have been sent: a generator or a server that falls behind does not make latencies look better.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)
        self._bodies = [_body(Path(body).read_bytes()) for body in plan.bodies]
        self._heads = [_head(plan, target.path, target.headers) for target in plan.targets]
        self._picks = self._pick()
        self._idle: list[Connection] = []
        self._open: dict[Connection, tuple[int, float, asyncio.TimerHandle]] = {}
        self._waiting: deque[tuple[int, float]] = deque()
        self._count = 0
        self._rows: list[tuple[int, float, float, int]] = []
        self._connecting: set[asyncio.Task[None]] = set()
        self._late = 0.0

    async def run(self) -> dict[str, Any]:
        """Do it, and say what came of it."""
        self._loop = asyncio.get_running_loop()
        self._start = perf_counter()  # uvloop's own clock counts whole milliseconds
        self._end = self._plan.warmup + self._plan.seconds
        if isinstance(self._plan.arrivals, Closed):
            for _ in range(self._plan.arrivals.clients):
                self._ask(next(self._picks), 0.0)
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
        due = self._random.expovariate(rate)
        while due < self._end:
            if due > self._now():
                await self._until(due)
                self._late = max(self._late, self._now() - due)
            self._ask(next(self._picks), due)
            due += self._random.expovariate(rate)
        await self._until(self._end)

    async def _finish(self) -> None:
        """Wait for the answers under way; what is not sent by then is counted as failed."""
        last = self._now() + self._plan.timeout
        while (self._open or self._connecting) and self._now() < last:
            await asyncio.sleep(0.01)
        for target, due in self._waiting:
            self._rows.append((target, due, self._now() - due, FAILED))
        for connection in [*self._open, *self._idle]:
            connection.abort()

    def _pick(self) -> Iterator[int]:
        weights = [target.weight for target in self._plan.targets]
        while True:
            yield from self._random.choices(range(len(weights)), weights, k=1000)

    def _ask(self, target: int, due: float) -> None:
        if self._idle:
            self._send(self._idle.pop(), target, due)
        elif self._count < self._plan.connections:
            self._count += 1
            task = self._loop.create_task(self._connect(target, due))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        else:
            self._waiting.append((target, due))

    async def _connect(self, target: int, due: float) -> None:
        opening = self._loop.create_connection(
            lambda: Connection(self._answered), self._plan.host, self._plan.port
        )
        try:
            _, connection = await asyncio.wait_for(opening, CONNECT_SECONDS)
        except (OSError, TimeoutError):
            self._count -= 1
            self._rows.append((target, due, self._now() - due, FAILED))
            await asyncio.sleep(
                0.1
            )  # a server that takes no connections is not asked in a busy loop
            self._next()
            return
        self._send(connection, target, due)

    def _send(self, connection: Connection, target: int, due: float) -> None:
        timer = self._loop.call_later(self._plan.timeout, connection.abort)
        self._open[connection] = (target, due, timer)
        connection.send(self._heads[target], self._random.choice(self._bodies))

    def _answered(self, connection: Connection, status: int) -> None:
        target, due, timer = self._open.pop(connection)
        timer.cancel()
        self._rows.append((target, due, self._now() - due, status))
        if connection.closed:
            self._count -= 1
        else:
            self._idle.append(connection)
        self._next()

    def _next(self) -> None:
        """A place is free: a request that waits takes it, or the closed load's client asks again."""
        if self._now() >= self._end:
            return
        if self._waiting:
            self._ask(*self._waiting.popleft())
        elif isinstance(self._plan.arrivals, Closed):
            self._ask(next(self._picks), self._now())


def _head(plan: Plan, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: {plan.host}:{plan.port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode()


def _body(body: bytes) -> bytes:
    """What follows a head: the last header, and the body."""
    return b"\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
