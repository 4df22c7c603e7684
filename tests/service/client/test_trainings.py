"""The client's calls about trainings, and `facet trainings`, against a real server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import open_store
from facet_vision.service.client.async_client import AsyncClient
from facet_vision.service.client.client import Client, ClientError
from facet_vision.service.client.trainings.command import app as command
from facet_vision.service.http.app import create_app
from facet_vision.service.settings import Settings
from facet_vision.service.trainings import trainings
from tests.service.support.trainings import Fake, picture


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


@pytest.fixture
def app(small: Backbone, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setattr(trainings, "train_command", lambda _settings: fake)
    settings = Settings(training_priority="normal")
    return create_app(settings, store=open_store("memory:"), backbone=small)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of images for each of two labels."""
    for label in ("red", "blue"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(3):
            path = tmp_path / "photos" / label / f"{number}.png"
            path.write_bytes(picture(label, number))
    return tmp_path / "photos"


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


def run(url: str, *arguments: object) -> tuple[int, str, str]:
    given = [*map(str, arguments), "--server", url]
    done = CliRunner().invoke(command, given, env={"COLUMNS": "200"})
    return done.exit_code, done.stdout, done.stderr


def test_the_calls(client: Client) -> None:
    made = client.create_training("t", method="linear", keep_seconds=600)
    assert (made.state, made.method) == ("collecting", "linear")
    sent = client.add_training_images(
        made.id, {"red": [picture("red", n) for n in range(5)]}, max_images=2
    )
    assert len(sent.images) == 5
    first, second = (image.id for image in sent.images[:2])
    assert client.label_training_image(made.id, first, "blue").label == "blue"
    client.remove_training_image(made.id, second)
    shown = client.training_images(made.id).images
    assert [image.label for image in shown] == ["blue", "red", "red", "red"]
    with pytest.raises(ClientError, match="2 images of each label, found 1 of 'blue'"):
        client.start_training(made.id)
    assert [each.id for each in client.trainings().trainings] == [made.id]
    client.delete_training(made.id)
    with pytest.raises(ClientError, match="expected one of that id") as refused:
        client.training(made.id)
    assert refused.value.reason == "unknown-training"


@pytest.mark.anyio
async def test_the_same_calls_awaited(url: str) -> None:
    async with AsyncClient(url) as client:
        made = await client.create_training("t", budget_seconds=5)
        images = {label: [picture(label, n) for n in range(4)] for label in ("red", "blue")}
        await client.add_training_images(made.id, images)
        assert (await client.start_training(made.id)).busy
        assert (await client.cancel_training(made.id)).state == "cancelled"
        assert (await client.training(made.id)).labels[0].count == 4


def test_the_story_on_the_command_line(url: str, fake: Fake, folder: Path) -> None:
    fake.let_go()
    asked = ("start", folder, "--task", "t", "--method", "linear", "--wait")
    code, stdout, stderr = run(url, *asked)
    assert code == 0, stderr
    id = stdout.split()[0]
    assert "accuracy 0.500 (0.100 to 0.900) on 2 held-out images by linear" in stdout
    assert "wrong: " in stdout
    assert "t: " in stderr  # how far it is
    code, stdout, _ = run(url, "publish", id)
    assert (code, stdout) == (0, "t version 1 is live\n")
    code, stdout, _ = run(url, "list")
    assert stdout.split()[:3] == [id, "t", "done"]
    assert stdout.strip().endswith("2 labels, 6 images  version 1")
    code, stdout, _ = run(url, "show", id, "--json")
    assert json.loads(stdout)["result"]["interval"] == [0.1, 0.9]
    assert run(url, "cancel", id)[0] == 1
    assert run(url, "delete", id)[0] == 0
    assert run(url, "show", id)[0] == 1
    assert json.loads(run(url, "list", "--json")[1]) == {"trainings": []}


def test_one_that_fails_is_told_by_the_exit_status(url: str, fake: Fake, folder: Path) -> None:
    fake.let_go()
    (folder / "red").rename(folder / "broken")
    asked = ("start", folder, "--task", "t", "--method", "linear", "--wait")
    code, _, stderr = run(url, *asked)
    assert code == 1
    assert "data: expected <b>sense</b>, found none" in stderr
    code, _, stderr = run(url, "start", folder / "blue", "--task", "t")
    assert (code, "a folder of images for each label" in stderr) == (2, True)
