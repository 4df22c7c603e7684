"""How much memory tasks may take where nobody has said so."""

import os
from pathlib import Path

import torch

CGROUP_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
"""Where version 2 and version 1 of Linux control groups tell a container's limit, under /sys/fs/cgroup."""


def device_budget(device: torch.device) -> int:
    """Bytes for tasks on the device: half of a GPU's memory that is free once the backbone is loaded.

    The other half is for the activations of a batch. Elsewhere the device shares the machine's memory with everything
    else; then it is a quarter of that.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 2
    return memory_bytes() // 4


def host_budget() -> int:
    """Bytes for task files in host memory: a quarter of the machine's."""
    return memory_bytes() // 4


def memory_bytes(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Memory of the machine, or of the container that limits us to less."""
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([installed, *_limits(cgroup)])


def _limits(cgroup: Path) -> list[int]:
    texts = [
        (cgroup / name).read_text().strip() for name in CGROUP_LIMITS if (cgroup / name).is_file()
    ]
    return [int(text) for text in texts if text.isdigit()]  # "max" where there is no limit
