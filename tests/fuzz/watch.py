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
    """Fail at a fault or if the server's memory grew by more than this share; print the figures.

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
    watch.settle()
    assert growth < most, f"memory: expected under {most:.0%} more, found {growth:+.2%}"


def memory(pid: int) -> int:
    """Bytes that a process and its descendants have written, in memory or swapped out.

    A page that several share counts once. Pages of files, such as of PyTorch's libraries, do not
    count: how much of them falls to a process depends on what else runs on the machine.
    """
    return sum(_written(each) for each in _family(pid))


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _written(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = {line.split()[0]: int(line.split()[1]) * 1024 for line in lines[1:]}
    return sizes["Pss_Anon:"] + sizes["SwapPss:"]


def _explained(content: bytes) -> bool:
    try:
        document = json.loads(content)
    except ValueError:
        return False
    return isinstance(document, dict) and bool(document.get("detail") or document.get("error"))
