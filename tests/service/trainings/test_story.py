"""From fifteen images to a live task, by `facet train`, on a server that is killed meanwhile."""

import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from facet_vision.prompts_store.keys import TRAININGS, WORK
from tests.service.support.processes import Server, command
from tests.service.support.trainings import COLOURS, eventually, picture, send, state

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SECONDS = 400.0


def served(store: Path) -> Any:
    """A server with the embedded backbone, whose trainings have their share of a busy machine."""
    given = ("serve", "--port", "0", "--store", str(store), "--no-builtin")
    return command("-m", "facet_vision", *given, training_priority="normal")


def processes_of(server: Server) -> list[int]:
    """The processes below a server."""
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/stat")
        if _parent(path) == server.process.pid
    ]


def _parent(path: Path) -> int:
    try:
        return int(path.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def trains(client: httpx.Client, id: str) -> bool:
    told = client.get(f"/v1/trainings/{id}").json()["progress"]
    return told is not None


def test_three_colours(tmp_path: Path) -> None:
    with served(tmp_path) as server, server.client() as client:
        made = client.post("/v1/trainings", json={"task": "colours", "method": "linear"})
        id = made.json()["id"]
        sent = send(client, id, dict.fromkeys(COLOURS, 5))
        assert len(sent.json()["images"]) == 15, sent.text
        assert client.post(f"/v1/trainings/{id}/start").status_code == 200
        eventually(lambda: trains(client, id), SECONDS)
        (training,) = processes_of(server)
        os.kill(server.process.pid, signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{training}").exists())
    with served(tmp_path) as server, server.client() as client:
        assert len(client.get(f"/v1/trainings/{id}/images").json()["images"]) == 15
        eventually(lambda: state(client, id) in ("done", "failed"), SECONDS)
        shown = client.get(f"/v1/trainings/{id}").json()
        assert shown["state"] == "done", shown["error"]
        result = shown["result"]
        assert result["labels"] == sorted(COLOURS)
        assert sum(map(sum, result["confusion"])) == result["held_out_images"] == 3
        assert result["interval"][0] < result["accuracy"] <= result["interval"][1]
        assert result["curve"][-1]["epoch"] == len(result["curve"]) > 1
        assert client.post(f"/v1/trainings/{id}/publish", json={}).status_code == 201
        form = {"files": {"file": ("a.png", picture("red", 99))}}
        (answer,) = client.post("/v1/tasks/colours/predict", **form).json()["results"]
        assert answer["version"] == 1
        assert client.delete(f"/v1/trainings/{id}").status_code == 204
        assert list((tmp_path / TRAININGS).iterdir()) == []
        assert list((tmp_path / WORK).iterdir()) == []
        assert server.stop() == 0
