"""A process of one client: a plan from standard input, its outcome to standard output.

It runs as `python -m facet_vision.bench.clients NAME ADDRESS` in place of the load generator; the
plan's paths are names of tasks, and its arrivals are closed.
"""

import asyncio
import json
import random
import resource
import sys
from pathlib import Path
from time import perf_counter

import uvloop

from facet_vision.bench.load import Closed, Plan

from .callers import CALLERS, Call


async def _main(name: str, address: str, plan: Plan) -> dict[str, object]:
    assert isinstance(plan.arrivals, Closed)
    bodies = [Path(body).read_bytes() for body in plan.bodies]
    picks = random.Random(plan.seed)
    rows: list[tuple[int, float, float, int]] = []
    begun = perf_counter()

    async def ask(call: Call) -> None:
        while (due := perf_counter() - begun) < plan.warmup + plan.seconds:
            target = picks.randrange(len(plan.targets))
            await call(plan.targets[target].path, picks.choice(bodies))
            rows.append((target, due, perf_counter() - begun - due, 200))

    async with CALLERS[name](address, plan.arrivals.clients) as call:
        await asyncio.gather(*(ask(call) for _ in range(plan.arrivals.clients)))
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"rows": rows, "cpu_seconds": used.ru_utime + used.ru_stime, "late": 0.0}


name, address = sys.argv[1:]
print(json.dumps(uvloop.run(_main(name, address, Plan.from_json(sys.stdin.readline())))))
