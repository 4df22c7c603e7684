"""The generator's process, and the evaluation of its rows."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import sleep

from facet_vision.bench.measuring.spread import percentile

from .connection import FAILED
from .plan import Open, Plan

TICK_SECONDS = 0.05


@dataclass(frozen=True)
class Row:
    """One request.

    Attributes:
        due: seconds from the plan's beginning until it should have been sent.
        latency: seconds from then until its answer.
        status: of the answer; `FAILED` where there was none.
    """

    group: str
    due: float
    latency: float
    status: int


@dataclass(frozen=True)
class Outcome:
    """The results of a plan's counted seconds.

    Attributes:
        rows: every request, those of the warm-up too.
        cpu_share: the share of one processor core that the generator used; near 1 it would be the
            generator, not the server, that is measured.
        late: the most seconds by which the generator itself sent an open load's request too late.
    """

    plan: Plan
    rows: Sequence[Row]
    cpu_share: float
    late: float

    def counted(self, group: str | None = None) -> list[Row]:
        """Return the requests that were due in the counted seconds."""
        wanted = (row for row in self.rows if row.due >= self.plan.warmup)
        return [row for row in wanted if group in (None, row.group)]

    def rate(self, good: bool = True) -> float:
        """Return answers per second in the counted seconds: those with status 200, or all others.

        An open load's answers count when they arrive. A closed load's count by the share of their
        waiting time that lies within: answers arrive a batch at a time, and whether one more batch
        falls within is chance.
        """
        begin, end = self.plan.warmup, self.plan.warmup + self.plan.seconds
        spans = [
            (row.due, row.due + row.latency) for row in self.rows if (row.status == 200) == good
        ]
        if isinstance(self.plan.arrivals, Open):
            return sum(begin <= done < end for _, done in spans) / self.plan.seconds
        answers = 0.0
        for due, done in spans:
            if done > due:
                within = max(0.0, min(end, done) - max(begin, due))
                answers += within / (done - due)
        return answers / self.plan.seconds

    def latency(self, share: float, group: str | None = None, good: bool = True) -> float:
        """Return the latency in seconds that `share` of the answers do not exceed.

        The answers are those with status 200, or all others unless `good`.
        """
        rows = self.counted(group)
        return percentile([row.latency for row in rows if (row.status == 200) == good], share)

    @property
    def failed(self) -> float:
        """Share of the counted requests that were not answered with status 200."""
        rows = self.counted()
        return sum(row.status != 200 for row in rows) / max(1, len(rows))

    @property
    def unanswered(self) -> float:
        """Share of the counted requests that had no answer at all."""
        rows = self.counted()
        return sum(row.status == FAILED for row in rows) / max(1, len(rows))


def generate(
    plan: Plan,
    meanwhile: Callable[[], None] = lambda: None,
    *,
    module: str = "facet_vision.bench.load",
    arguments: Sequence[str] = (),
) -> Outcome:
    """Load a server as planned; call `meanwhile` every TICK_SECONDS or so until it is done.

    Args:
        plan: the load.
        meanwhile: is called while it runs.
        module: reads the plan from standard input and writes the outcome, as `generator` does.
        arguments: of its command line.

    Raises:
        ChildProcessError: the generator's process failed.
    """
    # A file, since a pipe that nobody reads would fill up and block the generator.
    with tempfile.TemporaryFile("w+") as found:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=found,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(plan.to_json() + "\n")
        process.stdin.close()
        while process.poll() is None:
            meanwhile()
            sleep(TICK_SECONDS)
        if process.returncode:
            raise ChildProcessError(f"the load generator ended with status {process.returncode}")
        found.seek(0)
        outcome = json.load(found)
    groups = [target.group for target in plan.targets]
    rows = [
        Row(groups[target], due, latency, status)
        for target, due, latency, status in outcome["rows"]
    ]
    cpu_share = outcome["cpu_seconds"] / (plan.warmup + plan.seconds)
    return Outcome(plan, rows, cpu_share, outcome["late"])
