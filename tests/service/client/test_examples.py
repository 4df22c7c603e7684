"""Instant tasks by both clients and by `facet examples`."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from facet_vision.backbone import Backbone
from facet_vision.cli import app as facet
from facet_vision.prompts_store import open_store
from facet_vision.service.client import answers
from facet_vision.service.client.client import Client
from facet_vision.service.client.errors import ClientError
from facet_vision.service.http import schemas
from facet_vision.service.http.app import create_app
from facet_vision.service.settings import Settings
from tests.service.support.clients import Make
from tests.service.support.shades import shade, shades


@pytest.fixture
def app(small: Backbone) -> FastAPI:
    """A server that takes three images at once."""
    return create_app(Settings(max_images=3), store=open_store("memory:"), backbone=small)


def counts(answer: Any) -> dict[str, int]:
    return {each.label: each.count for each in answer.labels}


def test_the_life_of_an_instant_task(url: str, make: Make, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(shade("light", 0))
    client = make(url)
    light = [tmp_path / "a.png", ("b.png", shade("light", 1))]
    made = client.add_examples("t", {"dark": shade("dark", 0), "light": light}, method="ncm")
    assert (made.version, made.method, counts(made)) == (1, "ncm", {"dark": 1, "light": 2})
    assert client.predict("t", shade("light", 9))[0].best.label == "light"
    listed = client.examples("t")
    assert [id for each in listed.labels for id in each.examples] == list(made.examples)
    assert listed.document() == httpx.get(f"{url}/v1/tasks/t/examples").json()
    less = client.forget("t", example=made.examples[2])
    assert (less.version, counts(less)) == (2, {"dark": 1, "light": 1})
    less = client.forget("t", label="dark")
    assert (less.version, counts(less)) == (3, {"light": 1})
    assert client.rollback("t").version == 2
    changed = client.change_method("t", "lda")
    assert (changed.version, changed.method) == (4, "lda")
    assert counts(client.examples("t")) == {"dark": 1, "light": 1}


def test_any_number_of_images_goes_in_requests(url: str, make: Make) -> None:
    """Also of more than the server takes, which is only found out."""
    client = make(url)
    images = {"dark": shades("dark", 4), "light": iter(shades("light", 3))}
    made = client.add_examples("t", images)
    assert counts(made) == {"dark": 4, "light": 3}
    assert len(set(made.examples)) == 7
    again = client.add_examples("t", {"dark": shades("dark", 4)}, max_images=2)
    assert again.version == made.version
    assert again.examples == made.examples[:4]


def test_what_is_refused(url: str, make: Make) -> None:
    client = make(url)
    with pytest.raises(ClientError, match="examples: expected at least one image, found none"):
        client.add_examples("t", {"dark": []})
    for named, found in (({}, "none"), ({"label": "a", "example": "b"}, "both")):
        with pytest.raises(ClientError, match=f"expected a label or an example, found {found}"):
            client.forget("t", **named)
    client.add_examples("t", {"dark": shades("dark", 2)})
    for call, status, reason in (
        (lambda: client.add_examples("t", {"a": b"x"}), 422, "bad-image"),
        (
            lambda: client.add_examples("t", {"a": shade("dark", 9)}, method="knn"),
            409,
            "not-instant",
        ),
        (lambda: client.forget("t", example="0" * 16), 404, "unknown-example"),
        (lambda: client.forget("t", label="dark"), 409, "last-example"),
        (lambda: client.examples("nothing"), 404, "unknown-task"),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert (refused.value.status, refused.value.reason) == (status, reason)


def test_answers_have_the_fields_of_the_servers_documents() -> None:
    for name in ("LabelCount", "LabelExamples", "TaskExamples", "ExamplesChanged"):
        ours, theirs = getattr(answers, name), getattr(schemas, name)
        assert list(ours.model_fields) == list(theirs.model_fields), name


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(facet, [str(each) for each in arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for label in ("dark", "light"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number, image in enumerate(shades(label, 2)):
            (tmp_path / "photos" / label / f"{number}.png").write_bytes(image)
    return tmp_path / "photos"


def test_the_command_adds_lists_and_forgets(url: str, photos: Path) -> None:
    server = ("--server", url)
    assert run("examples", "add", "t", photos, "--method", "knn", *server) == (
        0,
        "t version 2 is live\n  dark   2\n  light  2\n",  # four images, of which three go at once
        "",
    )
    (photos / "red.png").write_bytes(shade("red", 0))
    status, out, _ = run("examples", "add", "t", photos / "red.png", "--label", "red", *server)
    assert (status, out) == (0, "t version 3 is live\n  dark   2\n  light  2\n  red    1\n")
    status, out, _ = run("examples", "list", "t", *server)
    assert (status, out) == (0, "t version 3, knn\n  dark   2\n  light  2\n  red    1\n")
    status, out, _ = run("examples", "list", "t", "--json", *server)
    first, second = json.loads(out)["labels"][0]["examples"]
    status, out, _ = run("examples", "forget", "t", first, *server)
    assert (status, out.splitlines()[0]) == (0, "t version 4 is live")
    status, out, _ = run("examples", "method", "t", "ncm", *server)
    assert (status, out) == (0, "t version 5 is live\n  dark   1\n  light  2\n  red    1\n")
    status, out, _ = run("examples", "forget", "t", "--label", "red", "--json", *server)
    assert [each["label"] for each in json.loads(out)["labels"]] == ["dark", "light"]
    with Client(url) as client:
        assert client.examples("t").labels[0].examples == (second,)


def test_mistakes_are_told_in_a_sentence(url: str, photos: Path, tmp_path: Path) -> None:
    server = ("--server", url)
    (tmp_path / "empty" / "eel").mkdir(parents=True)
    for arguments, words in (
        (("add", "t", photos / "dark"), "a folder of images for each label, or --label LABEL"),
        (("add", "t", tmp_path / "empty"), "expected images for each label, found none for 'eel'"),
        (("add", "t", tmp_path / "no*", "--label", "a"), "files that match"),
        (("forget", "t"), "expected --label LABEL or ids of examples, found none"),
        (("forget", "t", "0" * 16, "--label", "a"), "found both"),
    ):
        status, out, told = run("examples", *arguments, *server)
        assert (status, out) == (2, ""), told
        assert words in told
    status, _, told = run("examples", "list", "t", *server)
    assert status == 1
    assert "expected a live task, found none" in told
