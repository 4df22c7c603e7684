"""Machine and versions that a result belongs to."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version


def environment(packages: Sequence[str] = ()) -> dict[str, str]:
    """Describe machine and versions for the head of a report.

    Args:
        packages: distributions whose versions are named in addition to torch and timm.
    """
    import torch

    machine = {
        "processor": f"{_processor()}, {_cores()} cores",
        "threads": str(torch.get_num_threads()),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "load before": f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown",
        "python": platform.python_version(),
    }
    versions = {name: package(name) for name in ("torch", "timm", *packages)}
    return machine | {name: installed for name, installed in versions.items() if installed}


def package(name: str) -> str | None:
    """Return the installed version of a distribution, None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(
                line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
            )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
