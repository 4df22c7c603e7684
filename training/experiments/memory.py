"""Peak memory of a training, above what was in use before it."""

from __future__ import annotations

import ctypes
import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")


@dataclass
class Peak:
    """A measurement that is complete once its block has ended.

    Attributes:
        bytes: None before that, and where the system does not report it (a CPU under anything but
            Linux).
    """

    bytes: int | None = None


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Peak]:
    """Measure the block.

    On a GPU what torch allocated, on a CPU the resident set of the whole process.
    """
    peak = Peak()
    gc.collect()  # garbage that is freed within the block would be subtracted from its peak
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak.bytes = torch.cuda.max_memory_allocated(device) - before
        return
    resident = _reset()
    yield peak
    peak.bytes = None if resident is None else max(0, _status("VmHWM") - resident)


def _reset() -> int | None:
    """Reset the peak of the process.

    Returns:
        The resident bytes, after freed memory was given back; None where this cannot be done.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)  # of glibc: returns freed memory to the system
        RESET.write_text("5")  # of Linux: sets the peak to what is resident now
        return _status("VmRSS")
    except (OSError, AttributeError, TypeError):
        return None


def _status(name: str) -> int:
    """Read a line of the process status, in bytes."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{STATUS}: expected a line {name}, found none")
    return 1024 * int(found[1])
