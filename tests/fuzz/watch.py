"""What a server answers to very many inputs, and the memory that it holds before and after."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from tests.service.support.processes import Server

MOST_GROWTH = 0.03

EXPLAINED = {503, 504}
"""Server errors that a sound server answers with, if the text says why."""


@dataclass
class Watch:
    """The answers of a run.

    Attributes:
        statuses: how often each was answered.
        faults: inputs whose answer is a fault of the server, each with that answer.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def note(self, status: int, content: bytes, what: str) -> None:
        """Count an answer; `what` names the input by which it is had again."""
        self.statuses[status] += 1
        if status >= 500 and not (status in EXPLAINED and _explained(content)):
            self.faults.append(f"{what}: {status} {content[:300]!r}")

    def settle(self) -> None:
        """Fail if there was a fault, with the first few of them."""
        count = len(self.faults)
        assert not self.faults, f"{count} faults, such as\n" + "\n".join(self.faults[:10])


@contextmanager
def steady(server: Server, watch: Watch, most: float = MOST_GROWTH) -> Iterator[None]:
    """Fail if the server's memory grew in the block by more than this share; print the figures.

    Warm it up first: caches, pools and lazily imported modules are no leak.
    """
    before, begun, earlier = memory(server.process.pid), monotonic(), watch.statuses.total()
    yield
    after, seconds = memory(server.process.pid), monotonic() - begun
    growth = after / before - 1
    print(
        f"{watch.statuses.total() - earlier} inputs in {seconds:.0f} s, with the warm-up "
        f"{dict(sorted(watch.statuses.items()))}; "
        f"memory {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after, {growth:+.2%}"
    )
    assert growth < most, f"memory: expected under {most:.0%} more, found {growth:+.2%}"


def memory(pid: int) -> int:
    """Bytes of a process and its descendants; a page that several share counts once (PSS)."""
    return sum(_proportional(each) for each in _family(pid))


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _proportional(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _explained(content: bytes) -> bool:
    try:
        return bool(json.loads(content)["detail"])
    except (ValueError, KeyError, TypeError):
        return False
