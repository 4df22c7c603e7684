"""Exponential average of what a method learns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from facet_vision.training.methods import Method


class Average:
    """The average of a method's trained parameters over the steps.

    Its decay grows with the number of steps, so that the first values are soon forgotten.
    """

    def __init__(self, method: Method, decay: float) -> None:
        self._method = method
        self._decay = decay
        self._steps = 0
        self._values = {
            name: parameter.detach().clone() for name, parameter in method.trained().items()
        }

    @torch.no_grad()
    def update(self) -> None:
        """Take in the parameters after a step."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        for name, parameter in self._method.trained().items():
            self._values[name].lerp_(parameter, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the method have the averages while the block runs."""
        current = {name: each.detach().clone() for name, each in self._method.trained().items()}
        self.apply()
        try:
            yield
        finally:
            self._method.load_state_dict(current, strict=False)

    def apply(self) -> None:
        """Let the method keep the averages."""
        self._method.load_state_dict(self._values, strict=False)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to continue."""
        return {"steps": self._steps, "values": self._values}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        self._steps = state["steps"]
        values: dict[str, Tensor] = state["values"]
        for name, value in values.items():
            self._values[name].copy_(value)
