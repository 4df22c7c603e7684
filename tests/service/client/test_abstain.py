"""Clients and the command `facet predict`, where a task may give no label."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facet_vision.backbone import Backbone
from facet_vision.cli import app as facet
from facet_vision.service.client.client import Client, ClientError
from facet_vision.service.client.show import show
from tests.service.support.app import png, sure, task_file
from tests.service.support.clients import Make, clients


@pytest.fixture
def served(url: str, small: Backbone) -> str:
    """A server with a task of one label, one of several, and one that states nothing."""
    with Client(url) as client:
        pets = sure(small, task_file(small, "pets"), [png(1), png(2)], most=0.05)
        client.publish("pets", pets.to_bytes())
        options = {"bias": [1.0, -1.0], "activation": "sigmoid"}
        some = task_file(small, "some", class_thresholds=(0.5, 0.5), **options)
        client.publish("some", some.to_bytes())
        client.publish("old", task_file(small, "old").to_bytes())
    return url


@pytest.fixture(params=[False, True], ids=["client", "async client"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    with clients(request.param) as make:
        yield make


def test_an_answer_may_be_none(served: str, make: Make) -> None:
    client = make(served)
    own, other = client.predict("pets", [png(1), png(9)], abstain=True)
    assert own.label == own.best.label
    assert own.distance <= own.threshold == 0.05 < other.distance
    assert own.reason is None
    assert other.label is None
    assert "distance from the nearest class" in other.reason
    assert other.document()["label"] is None
    (some,) = client.predict("some", png(1), abstain=True)
    assert (some.label, some.labels) == (None, ("cat",))
    (plain,) = client.predict("pets", png(9))
    assert (plain.label, plain.distance) == (None, None)
    assert "label" not in plain.document()
    with pytest.raises(ClientError, match="'old'") as error:
        client.predict(["pets", "old"], png(1), abstain=True)
    assert (error.value.status, error.value.reason) == (409, "no-threshold")


def test_the_command(served: str, tmp_path: Path) -> None:
    for name, seed in (("own", 1), ("other", 9)):
        (tmp_path / f"{name}.png").write_bytes(png(seed))

    def run(task: str, *options: str) -> list[str]:
        images = [str(tmp_path / "own.png"), str(tmp_path / "other.png")]
        done = CliRunner().invoke(facet, ["predict", served, task, *images, *options])
        assert done.exit_code == 0, done.output
        return done.output.splitlines()

    plain, asked = run("pets"), run("pets", "--abstain")
    assert asked[0] == plain[0]
    assert asked[1].startswith(f"{tmp_path}/other.png: no label, the image's distance from the ")
    assert asked[1].endswith(f"; {plain[1].partition(': ')[2]}")
    own, _ = run("some", "--abstain")
    assert own.startswith(f"{tmp_path}/own.png: cat; cat 0.731")
    documents = [json.loads(line) for line in run("pets", "--abstain", "--json")]
    assert documents[0]["label"] == documents[0]["predictions"][0]["label"]
    assert documents[1]["label"] is None


def test_show_says_what_a_file_states(
    small: Backbone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pets.safetensors"
    made = task_file(small, "pets", temperature=1.5)
    sure(small, made, [png(1), png(2)], most=1.25).save(file)
    show(file)
    shown = capsys.readouterr().out
    assert "beyond a distance of 1.25, within which 95% of images like its own are" in shown
    assert "softmax, temperature 1.5" in shown
    show(file, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["threshold"]["value"] == 1.25
    assert document["tensors"]["distance.means"]["shape"] == [2, 32]
    task_file(small, "old").save(file)
    show(file)
    assert "no label" not in capsys.readouterr().out
