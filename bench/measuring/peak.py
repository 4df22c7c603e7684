"""The highest memory of a call, measured in a process that does nothing else."""

import ctypes
import gc
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import torch

Build = Callable[[], Callable[[], object]]
"""Makes the call that is measured; it must be picklable."""


def peak(build: Build, calls: int = 2) -> float | None:
    """Return the highest memory during calls of what `build` returns, above that before them.

    Both are taken in a new process. Where torch has CUDA they are torch's allocations there, else
    the process's resident memory.

    Returns:
        Bytes; None where they cannot be measured.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as child:
        return child.submit(_peak, build, calls, torch.get_num_threads()).result()


def _peak(build: Build, calls: int, threads: int) -> float | None:
    torch.set_num_threads(threads)
    call = build()
    gc.collect()
    measure = _of_cuda if torch.cuda.is_available() else _of_process
    with suppress(OSError):  # a system without /proc
        return float(measure(partial(_repeat, call, calls)))
    return None


def _repeat(call: Callable[[], object], times: int) -> None:
    for _ in range(times):
        call()


def _of_cuda(run: Callable[[], object]) -> int:
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    return torch.cuda.max_memory_allocated() - before


def _of_process(run: Callable[[], object]) -> int:
    # Freed memory that the C library has not returned would be reused unseen. Only glibc has the
    # function.
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # resets the highest level, VmHWM
    before = _status("VmRSS")
    run()
    return _status("VmHWM") - before


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))
