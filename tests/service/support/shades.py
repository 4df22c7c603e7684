"""Images of a few shades, which the random backbone tells apart, and what is asked about them."""

import io
from typing import Any

import numpy as np
from PIL import Image

from tests.service.support.app import PNG, SIDE

SHADES = {"dark": (20, 30, 90), "red": (220, 40, 30), "light": (235, 240, 230)}


def shade(label: str, seed: int) -> bytes:
    """A noisy image of a shade."""
    noise = np.random.default_rng([seed, *label.encode()]).integers(-20, 20, (SIDE, SIDE, 3))
    pixels = np.clip(np.array(SHADES[label]) + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def shades(label: str, count: int, start: int = 0) -> list[bytes]:
    """Different images of a shade."""
    return [shade(label, seed) for seed in range(start, start + count)]


def teach(client: Any, task: str, images: dict[str, list[bytes]], **query: Any) -> Any:
    """Send labelled images as examples of a task, through any httpx-like client."""
    pairs = [(label, image) for label, own in images.items() for image in own]
    files = [("file", (f"{number}.png", image)) for number, (_, image) in enumerate(pairs)]
    labels = {"label": [label for label, _ in pairs]}
    return client.post(f"/v1/tasks/{task}/examples", files=files, data=labels, params=query)


def best(client: Any, task: str, image: bytes) -> dict[str, Any]:
    """The best label of an image with its probability, and the version that answered."""
    answer = client.post(f"/v1/tasks/{task}/predict", content=image, headers=PNG)
    assert answer.status_code == 200, answer.text
    result = answer.json()["results"][0]
    return result["predictions"][0] | {"version": result["version"]}
