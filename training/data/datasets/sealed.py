"""The held-out part while hyperparameters are chosen: nothing of it is there."""

from __future__ import annotations

from typing import NoReturn

from facet_vision.training.errors import SealedPartError

from .examples import Examples


class Sealed(Examples):
    """Stands for a part that must not be looked at; it holds no image and no label.

    Raises:
        SealedPartError: whatever of it is used, its length included.
    """

    sealed = True

    def __init__(self) -> None:
        """Hold nothing."""

    @property
    def images(self) -> NoReturn:
        raise _touched("images")

    @property
    def targets(self) -> NoReturn:
        raise _touched("labels")

    @property
    def origins(self) -> NoReturn:
        raise _touched("origins")

    def __repr__(self) -> str:
        return "Sealed()"


def _touched(what: str) -> SealedPartError:
    return SealedPartError(
        f"held-out part: expected no use of it while hyperparameters are chosen, found one of "
        f"its {what}"
    )


SEALED = Sealed()
