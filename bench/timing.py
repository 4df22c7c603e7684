"""Side-by-side timing: all contenders run in turn in every round, so that a busy machine slows them alike."""

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import timm
import torch


@dataclass(frozen=True)
class Timing:
    """Seconds of one contender, one entry per round."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def ratio(self, base: "Timing") -> tuple[float, float, float]:
        """Lower quartile, median and upper quartile of the round-by-round ratio to `base`."""
        ratios = [mine / theirs for mine, theirs in zip(self.seconds, base.seconds, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        return low, middle, high


def side_by_side(contenders: Mapping[str, Callable[[], object]], *, rounds: int, warmup: int = 1) -> list[Timing]:
    """Time every contender once per round, in an order that turns round by round."""
    names = list(contenders)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for round_number in range(-warmup, rounds):
        shift = round_number % len(names)
        for name in names[shift:] + names[:shift]:
            elapsed = _time(contenders[name])
            if round_number >= 0:
                seconds[name].append(elapsed)
    return [Timing(name, tuple(values)) for name, values in seconds.items()]


def _time(call: Callable[[], object]) -> float:
    _synchronize()
    start = time.perf_counter()
    call()
    _synchronize()
    return time.perf_counter() - start


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def environment() -> dict[str, str]:
    """The machine and the versions that a result belongs to."""
    return {
        "processor": _processor(),
        "threads": str(torch.get_num_threads()),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
