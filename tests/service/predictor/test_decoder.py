"""Heavy images never take the last thread."""

import asyncio
from threading import Event

import numpy as np
import pytest
from PIL import Image

from facet_vision.backbone import OpenImage, Pixels, Preprocess
from facet_vision.service.predictor import decoder as module
from facet_vision.service.predictor.decoder import Decoder, ImageBytes
from tests.service.support.app import png


class Held(Preprocess):
    """Holds images of more than 64 pixels a side until they may go on."""

    def decode_opened(self, image: OpenImage) -> Pixels:
        if image.work > 64 * 64:
            GO_ON.wait(30)
        return super().decode_opened(image)


GO_ON = Event()


@pytest.mark.anyio
@pytest.mark.parametrize("threads", [1, 2, 4])
async def test_a_light_image_is_decoded_beside_any_number_of_heavy_ones(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEAVY_PIXELS", 64 * 64)
    GO_ON.clear()
    half = (0.5, 0.5, 0.5)
    decoder = Decoder(
        Held((3, 8, 8), half, half), threads=threads, max_pixels=10**6, observe=lambda _: None
    )
    heavy = [
        asyncio.ensure_future(decoder.decode([ImageBytes(png(size=(100, 100)))])) for _ in range(9)
    ]
    try:
        await asyncio.sleep(0.05)
        async with asyncio.timeout(10):
            [light] = await decoder.decode([ImageBytes(png(size=(20, 20)), "light")])
        assert (light.name, light.pixels.shape) == ("light", (3, 8, 8))
        assert not any(one.done() for one in heavy)
        GO_ON.set()
        found = await asyncio.gather(*heavy)
        assert {image.pixels.shape for [image] in found} == {(3, 8, 8)}
    finally:
        GO_ON.set()
        decoder.close()


def test_a_photo_of_a_phone_is_light_and_a_legal_giant_is_heavy() -> None:
    assert 12_000_000 < module.HEAVY_PIXELS < 64_000_000
    assert np.prod(Image.new("L", (4000, 3000)).size) < module.HEAVY_PIXELS
