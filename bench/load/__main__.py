"""The generator's process: a plan from standard input, its outcome to standard output.

It runs as `python -m facet_vision.bench.load`.
"""

import json
import sys

import uvloop

from .generator import Generator
from .plan import Plan


async def _main() -> None:
    outcome = await Generator(Plan.from_json(sys.stdin.readline())).run()
    print(json.dumps(outcome))


uvloop.run(_main())
