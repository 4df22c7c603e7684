"""Timing in rounds: all contenders run in turn, so that a busy machine slows them alike."""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeVar

import torch

from .spread import Spread

T = TypeVar("T")


def turns(names: list[str], rounds: int, warmup: int = 0) -> Iterator[tuple[int, str]]:
    """Yield (round, name); the order of names rotates, and rounds below 0 are for warming up."""
    for round_number in range(-warmup, rounds):
        shift = round_number % len(names)
        for name in names[shift:] + names[:shift]:
            yield round_number, name


def in_turns(
    contenders: Mapping[str, Callable[[], T]], *, rounds: int, warmup: int = 0
) -> dict[str, list[T]]:
    """Call every contender once per round; return their results, one per round."""
    found: dict[str, list[T]] = {name: [] for name in contenders}
    for round_number, name in turns(list(contenders), rounds, warmup):
        result = contenders[name]()
        if round_number >= 0:
            found[name].append(result)
    return found


def side_by_side(
    contenders: Mapping[str, Callable[[], object]], *, rounds: int, warmup: int = 1
) -> dict[str, Spread]:
    """Measure the seconds of a call of every contender."""
    timed = {name: partial(_time, call) for name, call in contenders.items()}
    found = in_turns(timed, rounds=rounds, warmup=warmup)
    return {name: Spread(tuple(seconds)) for name, seconds in found.items()}


def _time(call: Callable[[], object]) -> float:
    _synchronize()  # a GPU may still compute for the one before
    start = time.perf_counter()
    call()
    _synchronize()
    return time.perf_counter() - start


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
