"""A task that says "none of these", from a folder of photos to the answer of a server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from typer.testing import CliRunner

from facet_vision import backbone
from facet_vision.backbone import Backbone
from facet_vision.cli import app as facet
from facet_vision.prompts_store import TaskFile, open_store
from facet_vision.service.client.client import Client
from facet_vision.service.http.app import create_app
from facet_vision.service.settings import Settings
from facet_vision.training.data.datasets import Examples, load
from facet_vision.training.data.reading import read_data
from facet_vision.training.new_recipe import new_recipe
from facet_vision.training.train import train_task
from tests.service.conftest import url as url  # a fixture: the address of `app`
from tests.service.support.app import ask

KNOWN = "0123456"
PER_CLASS = {"train": 20, "test": 10}


@pytest.fixture(scope="module")
def tiny() -> Backbone:
    return backbone.load("facet-tiny", device="cpu")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Handwritten digits: of most to learn from; of three others, and of letters, later ones."""
    root = tmp_path_factory.mktemp("photos")
    data = load("digits")
    _write(root / "learn" / "train", data.train, PER_CLASS["train"], KNOWN)
    _write(root / "learn" / "test", data.test, PER_CLASS["test"], KNOWN)
    rest = data.test.take(range(400, len(data.test)))
    _write(root / "later", rest, 8, KNOWN)
    _write(root / "later", rest, 16, "789", under="none")
    _write(root / "later", load("letters").test, 16, "012", under="none", prefix="letter-")
    return root


def _write(
    root: Path, examples: Examples, count: int, labels: str, under: str = "", prefix: str = ""
) -> None:
    """Write so many images of each label, which is its index, into a folder of the label."""
    for label in labels:
        rows = [row for row, target in enumerate(examples.targets) if str(target) == label][:count]
        folder = root / (under or label)
        folder.mkdir(parents=True, exist_ok=True)
        for row in rows:
            (folder / f"{prefix}{label}-{row}.png").write_bytes(examples.encoded(row))


@pytest.fixture(scope="module")
def task(tiny: Backbone, photos: Path) -> TaskFile:
    recipe = new_recipe(data=str(photos / "learn"), task="digits", method="linear", epochs=60)
    made = train_task(tiny, read_data(recipe), recipe)
    assert isinstance(made, TaskFile)
    return made


@pytest.fixture
def app(tiny: Backbone, task: TaskFile) -> Iterator[FastAPI]:
    store = open_store("memory:")
    store.publish("digits", task.to_bytes(), by="test")
    store.activate("digits", 1, by="test")
    return create_app(Settings(), store=store, backbone=tiny)


def test_the_file_states_it(task: TaskFile) -> None:
    stated = task.manifest.threshold
    assert stated is not None
    assert (stated.source, stated.images, stated.share) == ("held-out", 70, 0.95)
    assert task.distance is not None
    assert task.distance.means.shape == (len(KNOWN), 160)
    assert "calibration_error" in task.manifest.metrics


def test_digits_that_were_never_learned_get_no_label(app: FastAPI, photos: Path) -> None:
    with TestClient(app, "http://localhost") as client:
        known, digits, letters = (
            [_label(client, path) for path in sorted((photos / "later").glob(pattern))]
            for pattern in ("[0-6]/*.png", "none/[789]-*.png", "none/letter-*.png")
        )
    answered = [(name, label) for name, label in known if label is not None]
    assert len(answered) >= 0.85 * len(known)
    assert sum(name == label for name, label in answered) >= 0.85 * len(answered)
    assert _refused(letters) >= 0.95
    # digits of other classes are hard to tell from those of the task
    assert _refused(digits) >= 0.2 > _refused(known)


def _refused(found: list[tuple[str, str | None]]) -> float:
    return sum(label is None for _, label in found) / len(found)


def _label(client: TestClient, path: Path) -> tuple[str, str | None]:
    (result,) = ask(client, "digits", path.read_bytes(), abstain="true").json()["results"]
    assert (result["label"] is None) == ("reason" in result)
    return path.parent.name, result["label"]


def test_evaluate_counts_them_in_a_file_and_on_a_server(
    url: str, task: TaskFile, photos: Path, tmp_path: Path
) -> None:
    file = tmp_path / "digits.safetensors"
    task.save(file)
    given = (str(photos / "later"), "--all", "--none", "none")
    by_file = _evaluate(str(file), *given)
    by_server = _evaluate("digits", *given, "--to", url)
    assert by_file["abstention"] == by_server["abstention"]
    assert by_file["metrics"] == by_server["metrics"]
    assert by_file["images"] == 56
    found = by_file["abstention"]
    assert found["others"] == 96
    assert found["answered"] >= 0.85
    assert found["refused"] >= 0.5
    text = CliRunner().invoke(facet, ["evaluate", str(file), *given]).stdout
    assert f"where it may abstain: {found['answered']:.3f} answered, " in text
    assert f"of 96 images of no label of it {found['refused']:.3f} not answered" in text


def _evaluate(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(facet, ["evaluate", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--none", "nothing"), "none: expected a label of the data, one for each image"),
        (("--none", "3"), "none: expected a label that the task does not have, found '3'"),
        ((), "data: expected the labels of task 'digits'"),
    ],
)
def test_labels_that_do_not_fit(
    task: TaskFile, photos: Path, tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    file = tmp_path / "digits.safetensors"
    task.save(file)
    done = CliRunner().invoke(facet, ["evaluate", str(file), str(photos / "later"), *options])
    assert done.exit_code == 1
    assert sentence in done.stderr


def test_a_task_that_states_nothing_has_no_images_of_no_label(
    task: TaskFile, photos: Path, tmp_path: Path
) -> None:
    file = tmp_path / "digits.safetensors"
    manifest = task.manifest.model_copy(update={"threshold": None})
    TaskFile(manifest, task.prompts, task.head).save(file)
    given = ["evaluate", str(file), str(photos / "later"), "--none", "none"]
    done = CliRunner().invoke(facet, given)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "none: expected a task that states when an image is of none of its labels" in done.stderr


def test_the_python_client(url: str, photos: Path) -> None:
    path = next((photos / "later" / "none").glob("7-*.png"))
    with Client(url) as client:
        (found,) = client.predict("digits", path, abstain=True)
    assert (found.label is None) == (found.reason is not None)
