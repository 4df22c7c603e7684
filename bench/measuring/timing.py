"""Side by side: all contenders run in turn in every round, so that a busy machine slows them alike."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import torch

from .spread import Spread

T = TypeVar("T")


def turns(names: list[str], rounds: int, warmup: int = 0) -> Iterator[tuple[int, str]]:
    """(round, name) in an order that turns round by round; rounds below 0 are for warming up."""
    for round_number in range(-warmup, rounds):
        shift = round_number % len(names)
        for name in names[shift:] + names[:shift]:
            yield round_number, name


def in_turns(
    contenders: Mapping[str, Callable[[], T]], *, rounds: int, warmup: int = 0
) -> dict[str, list[T]]:
    """What every contender returned, one entry per round."""
    found: dict[str, list[T]] = {name: [] for name in contenders}
    for round_number, name in turns(list(contenders), rounds, warmup):
        answer = contenders[name]()
        if round_number >= 0:
            found[name].append(answer)
    return found


def side_by_side(
    contenders: Mapping[str, Callable[[], object]], *, rounds: int, warmup: int = 1
) -> dict[str, Spread]:
    """Seconds that a call of every contender takes."""
    timed = {name: lambda call=call: _time(call) for name, call in contenders.items()}
    return {
        name: Spread(tuple(seconds))
        for name, seconds in in_turns(timed, rounds=rounds, warmup=warmup).items()
    }


def _time(call: Callable[[], object]) -> float:
    _synchronize()
    start = time.perf_counter()
    call()
    _synchronize()
    return time.perf_counter() - start


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
