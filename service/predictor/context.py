"""Parts that a process needs to answer predict calls.

A process that speaks HTTP needs them whether or not it has the engine itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

from facet_vision.service.settings import Settings

from .decoder import Decoder
from .protocol import Predictor


@dataclass(frozen=True)
class RequestContext:
    """The parts of a predict call on the side of HTTP.

    Attributes:
        settings: the limits of requests.
        decoder: from bytes to pixels.
        predictor: from pixels to predictions.
        clock: seconds, monotonic.
    """

    settings: Settings
    decoder: Decoder
    predictor: Predictor
    clock: Callable[[], float]
