"""The memory of a process, watched over many inputs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_GROWTH = 0.03


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


def memory(pid: int) -> int:
    """Bytes of the process and its descendants; a page that several share counts once (PSS)."""
    return sum(_pss(each) for each in family(pid))


@contextmanager
def steady(pid: int, most: float = MOST_GROWTH) -> Iterator[None]:
    """Fail if the process has grown by more than this share of its memory at the end of the block.

    Warm it up first: caches, pools and lazily imported modules are no leak.
    """
    before = memory(pid)
    yield
    after = memory(pid)
    growth = (after - before) / before
    print(f"memory: {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after, {growth:+.2%}")
    assert growth < most, f"{before} bytes before, {after} after"


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel tells no PSS")
