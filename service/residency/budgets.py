"""Default budgets: how much memory tasks may take where the settings do not say so."""

import os
from pathlib import Path

import torch

CGROUP_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
"""Files with a container's limit in versions 2 and 1 of Linux control groups."""


def device_budget(device: torch.device) -> int:
    """Return the bytes for tasks on the device.

    Half of a GPU's memory that is free once the backbone is loaded: the other half is for the
    activations of a batch. Elsewhere the device shares the machine's memory with everything else;
    then a quarter of that.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 2
    return memory_bytes() // 4


def host_budget() -> int:
    """Return the bytes for task files in host memory: a quarter of the machine's."""
    return memory_bytes() // 4


def memory_bytes(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes of the machine's memory, or of its container's, if that has less."""
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([installed, *_limits(cgroup)])


def _limits(cgroup: Path) -> list[int]:
    paths = [cgroup / name for name in CGROUP_LIMITS]
    texts = [path.read_text().strip() for path in paths if path.is_file()]
    return [int(text) for text in texts if text.isdigit()]  # "max" where there is no limit
