"""Parts that a process needs to answer predict calls.

A process that speaks HTTP needs them whether or not it has the engine itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from facet_vision.backbone import Pixels
from facet_vision.service.settings import Settings
from facet_vision.service.telemetry.traces import current_span

from .decoder import DecodedImage, Decoder, ImageBytes
from .protocol import Prediction, Predictor, PredictRequest


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

    async def answer(
        self, wanted: PredictRequest, images: Sequence[ImageBytes | Pixels]
    ) -> tuple[list[DecodedImage], list[Prediction]]:
        """Decode the images and return them with their predictions; see `Admission.answer`."""
        # Admission precedes decoding: a refused request costs no decoding, and the version that
        # answers is the one that is live now, not the one that is live once it is decoded.
        async with self.predictor.admit(wanted) as admission:
            begun = perf_counter()
            decoded = await self.decoder.decode(images)
            current_span.get().stage("decode", begun, perf_counter(), images=len(images))
            return decoded, await admission.answer([image.pixels for image in decoded])
