"""Trainings for tests: a stand-in for `facet train`, and images to send."""

import io
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from facet_vision.service.trainings.record import Training
from facet_vision.service.trainings.workplace import Desk
from tests.service.support.app import small_backbone, task_file

SCRIPT = Path(__file__).with_name("fake_train.py")
COLOURS = {"red": (200, 20, 20), "green": (20, 180, 20), "blue": (20, 20, 200)}


class Fake:
    """The command in place of `facet train`; it waits until it is let go.

    Attributes:
        runs: how often it was asked for.
    """

    def __init__(self, folder: Path, task: str = "t") -> None:
        self.gate = folder / "gate"
        self.source = folder / "source.safetensors"
        self.source.write_bytes(task_file(small_backbone(), task).to_bytes())
        self.runs = 0

    def __call__(self, _training: Training, desk: Desk) -> Sequence[str]:
        self.runs += 1
        places = (desk.table, desk.task, desk.report, self.source, self.gate)
        return [sys.executable, str(SCRIPT), *map(str, places)]

    def let_go(self) -> None:
        self.gate.touch()


def picture(colour: str, number: int, kind: str = "PNG") -> bytes:
    """An image of nearly one colour, another for each number."""
    image = Image.new("RGB", (24, 20), COLOURS.get(colour, (128, 128, 128)))
    image.putpixel((number % 24, number // 24), (255, 255, 255))
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def send(client: Any, id: str, labelled: dict[str, int]) -> Any:
    """Send so many images of each label."""
    given = [(label, number) for label, count in labelled.items() for number in range(count)]
    files = [("file", (f"{label}-{number}.png", picture(label, number))) for label, number in given]
    labels = [label for label, _ in given]
    return client.post(f"/v1/trainings/{id}/images", files=files, data={"label": labels})


def created(client: Any, task: str = "t", **more: Any) -> str:
    """Create a training with images of two labels; returns its id."""
    made = client.post("/v1/trainings", json={"task": task, "method": "linear", **more})
    assert made.status_code == 201, made.text
    id: str = made.json()["id"]
    assert send(client, id, {"red": 3, "blue": 3}).status_code == 200
    return id


def state(client: Any, id: str) -> str:
    found: str = client.get(f"/v1/trainings/{id}").json()["state"]
    return found


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    last = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < last, "it never held"
        time.sleep(0.05)
