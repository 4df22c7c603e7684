"""What a process that speaks HTTP needs to answer predict calls, whether or not it has the engine itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from fastapi import Request

from .images import Decoder
from .questions import Predictor
from .settings import Settings


@dataclass(frozen=True)
class Front:
    """The parts of a predict call on the side of HTTP.

    Attributes:
        settings: the limits of requests.
        decoder: from bytes to pixels.
        predictor: from pixels to rankings.
        clock: seconds, monotonic.
    """

    settings: Settings
    decoder: Decoder
    predictor: Predictor
    clock: Callable[[], float]


def front_of(request: Request) -> Front:
    """The front of the application that got the request."""
    return cast(Front, request.app.state.front)
