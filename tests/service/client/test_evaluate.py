"""`facet evaluate` of a file in this process and of the same file on a server."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from PIL import Image
from typer.testing import CliRunner

from facet_vision import backbone
from facet_vision.cli import app as facet
from facet_vision.prompts_store import TaskFile, open_store
from facet_vision.service.client.client import Client, ClientError
from facet_vision.service.client.scores import scores
from facet_vision.service.http.app import create_app
from facet_vision.service.settings import Settings
from tests.service.support.app import png, task_file

LABELS = ("owl", "caf\u00e9", "dog")
FIELDS = ("task", "method", "data", "part", "images", "metrics", "labels", "confusion")


@pytest.fixture(scope="module")
def tiny() -> backbone.Backbone:
    return backbone.load("facet-tiny", device="cpu")


@pytest.fixture
def app(tiny: backbone.Backbone) -> FastAPI:
    return create_app(Settings(), store=open_store("memory:"), backbone=tiny)


@pytest.fixture
def file(tiny: backbone.Backbone, url: str, tmp_path: Path) -> Path:
    """A task file that a server has as well; its answers depend on the image."""
    return published(task_file(tiny, "pets", layers=8, labels=LABELS), url, tmp_path)


def published(task: TaskFile, url: str, folder: Path) -> Path:
    path = folder / "task.safetensors"
    task.save(path)
    with Client(url) as client:
        client.publish(task.manifest.task, path.read_bytes())
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images of two of the three classes, one of whose names is written in the other way."""
    for seed in range(12):
        label = "dog" if seed % 3 else unicodedata.normalize("NFD", "caf\u00e9")
        path = tmp_path / "photos" / label / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(seed, (40 + seed, 60)))
    Image.open(path).resize((900, 700)).save(path.with_suffix(".jpg"))
    return tmp_path / "photos"


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(facet, ["evaluate", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def document(*arguments: object) -> dict[str, Any]:
    code, stdout, stderr = run(*arguments, "--json")
    assert code == 0, stderr
    return json.loads(stdout)


def assert_same(ours: dict[str, Any], served: dict[str, Any]) -> None:
    assert {name: ours[name] for name in FIELDS} == {name: served[name] for name in FIELDS}
    assert ours["calibration"]["error"] == pytest.approx(served["calibration"]["error"], abs=1e-4)


def test_a_file_and_its_served_task_give_the_same_numbers(
    file: Path, url: str, photos: Path
) -> None:
    ours = document(file, photos, "--all", "--device", "cpu")
    served = document("pets", photos, "--all", "--to", url)
    assert_same(ours, served)
    assert (ours["file"], ours["part"], ours["images"]) == (str(file), "all", 13)
    assert (served["server"], served["version"]) == (url, 1)
    assert [each["label"] for each in ours["labels"]] == list(LABELS)
    assert [each["images"] for each in ours["labels"]] == [0, 4, 9]
    assert sum(map(sum, ours["confusion"])) == 13
    right = sum(ours["confusion"][index][index] for index in range(3))
    assert ours["metrics"]["accuracy"] == pytest.approx(right / 13)
    held_out = document(file, photos, "--device", "cpu", "--holdout", 0.5)
    assert (held_out["part"], held_out["images"]) == ("held-out", 6)
    code, stdout, _ = run("pets", photos, "--to", url)
    assert code == 0
    assert stdout.startswith("pets (version 1): accuracy ")
    assert "on 3 held-out images of folder photos\n" in stdout


def test_several_labels_from_a_table_with_columns_of_its_own(
    tiny: backbone.Backbone, url: str, photos: Path, tmp_path: Path
) -> None:
    task = task_file(tiny, "pets", labels=LABELS, activation="sigmoid", recipe={"seed": 3})
    file = published(task, url, tmp_path)
    images = sorted(photos.rglob("*.png"))
    cells = [LABELS[1] if number % 2 else "dog;owl" for number in range(len(images))]
    rows = [f"{path},{cell}" for path, cell in zip(images, cells, strict=True)]
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["file,label", *rows]), encoding="utf-8")
    options = ("--image-column", "file", "--label-separator", ";", "--all")
    ours = document(file, table, *options, "--device", "cpu")
    assert_same(ours, document("pets", table, *options, "--to", url))
    assert next(iter(ours["metrics"])) == "mean_average_precision"
    assert ours["confusion"] is None
    assert [each["images"] for each in ours["labels"]] == [6, 6, 6]


def test_a_version_that_changes_meanwhile_is_told(tiny: backbone.Backbone, url: str) -> None:
    first, second = (task_file(tiny, "pets", labels=LABELS, seed=seed) for seed in (0, 1))
    with Client(url) as client:
        client.publish("pets", first.to_bytes())
        assert len(scores(client, "pets", 1, LABELS, [("a", png())])[0].scores) == 3
        client.publish("pets", second.to_bytes())
        with pytest.raises(ClientError, match="expected answers of version 1, found one of vers"):
            scores(client, "pets", 1, LABELS, [("a", png())])


def test_what_cannot_be_evaluated_is_one_sentence(file: Path, url: str, photos: Path) -> None:
    (photos / "newt").mkdir()
    for seed in range(2):
        (photos / "newt" / f"{seed}.png").write_bytes(png(seed + 50))
    table = photos.parent / "two.csv"
    table.write_text(f"image,label\n{photos}/newt/0.png,dog;owl\n{photos}/newt/1.png,dog;owl\n")
    for arguments, code, words in (
        (("nowhere", photos), 2, "task: expected a task file, or with --to URL a task of that"),
        (("pets", photos, "--to", url, "--device", "cpu"), 2, "device: expected no value"),
        (("nobody", photos, "--to", url), 1, "nobody"),
        (("pets", photos, "--to", url, "--key", "no key"), 1, "key: expected one as facet keys"),
        (
            (file, photos),
            1,
            "data: expected the labels of task 'pets' (owl, caf\u00e9, dog), found 'n",
        ),
        ((file, table, "--label-separator", ";"), 1, "data: expected one label for each image"),
        ((file, photos, "--label-column", "x"), 1, "label_column: expected no value"),
        ((file, photos.parent / "none"), 1, "data: expected a folder"),
        ((photos / "newt" / "0.png", photos), 1, "header length: expected at most"),
    ):
        found, stdout, stderr = run(*arguments)
        assert (found, stdout) == (code, ""), stderr
        assert stderr.startswith("facet evaluate: ")
        assert words in stderr
        assert stderr.count("\n") == 1


def test_images_that_were_learned_from_are_told(file: Path, photos: Path) -> None:
    for number in range(4):
        (photos / "dog" / f"again{number}.png").write_bytes(png(99))
    code, _, stderr = run(file, photos, "--device", "cpu", "--holdout", 0.5)
    assert code == 0
    assert "held-out images also found among the training images" in stderr
