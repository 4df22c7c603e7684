"""docs/architecture.md names every module through which a predict call runs, and no other."""

import gc
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import open_store
from facet_vision.service.http.app import create_app
from facet_vision.service.http.server.shedding import Shedding
from facet_vision.service.http.server.uvicorn_server import HttpServer
from facet_vision.service.settings import Settings
from tests.service.support.app import DEPTH, png, small_backbone, task_file

PAGE = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text()
ALWAYS = {  # runs whether or not anybody asks
    "facet_vision.service.telemetry.loop_lag",
    *(f"facet_vision.service.trainings.{name}" for name in ("trainings", "log", "watchers")),
    *(f"facet_vision.service.trainings.{name}" for name in ("workplace", "runner")),
}


class Watch:
    """The modules of ours whose functions are called while it is on, in any thread."""

    def __init__(self) -> None:
        self.on = False
        self.modules: set[str] = set()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if self.on and event == "call":
            name = frame.f_globals.get("__name__", "")
            if name.startswith("facet_vision."):
                self.modules.add(name)


@contextmanager
def watching() -> Iterator[Watch]:
    """Watch this thread and all that start in the block."""
    watch = Watch()
    before = sys.getprofile()
    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        yield watch
    finally:
        sys.setprofile(before)
        threading.setprofile(None)  # type: ignore[arg-type]


@contextmanager
def served(backbone: Backbone) -> Iterator[str]:
    """A server of one process as `facet serve` runs it, in a thread; its address."""
    store = open_store("memory:")
    file = task_file(backbone, "pets", layers=DEPTH)
    store.publish("pets", file.to_bytes(), by="test")
    store.activate("pets", 1, by="test")
    app = create_app(Settings(), store=store, backbone=backbone)
    components = app.state.components
    ready = threading.Event()

    async def set_ready() -> None:
        ready.set()

    shed = Shedding(components.context.predictor.refusal, components.metrics)
    server = HttpServer(app, Settings(), on_ready=set_ready, shed=shed)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        assert ready.wait(30)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()
    gc.unfreeze()  # what a start froze


def paths_of(heading: str) -> set[str]:
    """The modules named in the table under a heading of the page."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\|.*\|$", section, re.MULTILINE)
    return {path for row in rows for path in re.findall(r"`([\w/]+\.py)`", row)}


def test_a_predict_call_runs_through_the_modules_that_the_page_names() -> None:
    with watching() as watch, served(small_backbone()) as url:
        headers = {"Content-Type": "image/png"}
        for _ in range(2):  # the second finds the task on the device
            watch.modules.clear()
            watch.on = True
            answer = httpx.post(f"{url}/v1/tasks/pets/predict", content=png(), headers=headers)
            watch.on = False
            assert answer.status_code == 200, answer.text
    ran = {name.removeprefix("facet_vision.") for name in watch.modules - ALWAYS}
    found = {f"{name.replace('.', '/')}.py" for name in ran}
    assert found == paths_of("A request, from socket to tensor and back")


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+\.py)`", PAGE))))
def test_every_module_that_the_page_names_is_there(path: str) -> None:
    assert (Path(__file__).parents[1] / path).is_file()
