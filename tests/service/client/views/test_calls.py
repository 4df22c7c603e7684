"""What the clients show of a server, and the command about its last changes."""

import ast
import inspect
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facet_vision.backbone import Backbone
from facet_vision.cli import app
from facet_vision.service.client.client import Client
from facet_vision.service.client.errors import ClientError
from facet_vision.service.client.views import answers
from facet_vision.service.http.views import schemas
from tests.service.http.views.test_samples import IMAGES, with_samples
from tests.service.support.app import png
from tests.service.support.clients import clients

EXAMPLE = Path(__file__).parents[4] / "examples" / "gradio_client.py"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_every_call(url: str, small: Backbone, tmp_path: Path, asynchronous: bool) -> None:
    image = tmp_path / "a.png"
    image.write_bytes(png(3))
    with clients(asynchronous) as make:
        client = make(url)
        client.publish("pets", with_samples(small).to_bytes())
        found = client.explain("pets", image, layer=0)
        assert (found.task, found.version, len(found.box)) == ("pets", 1, 4)
        assert (found.rows, found.columns) == (len(found.adapted), len(found.adapted[0]))
        assert client.explain("pets", png(3), layer=0) == found
        assert client.explain("pets", ("a.png", png(3))) != found
        assert [each.label for each in client.samples("pets").samples] == ["cat <b>", "dog"]
        assert client.sample("pets", 1) == IMAGES[1][2]
        with pytest.raises(ClientError, match="expected one of the 2") as refused:
            client.sample("pets", 2)
        assert refused.value.reason == "unknown-sample"
        assert [each.event for each in client.events(limit=1).events] == ["activate"]
        assert client.events().unread == 0


@pytest.mark.parametrize("name", ["Explanation", "Sample", "SampleList", "TaskEvent", "EventList"])
def test_answers_have_the_fields_of_the_server(name: str) -> None:
    ours, theirs = getattr(answers, name), getattr(schemas, name)
    assert set(ours.model_fields) == set(theirs.model_fields)


def test_the_last_changes_as_a_command(url: str, small: Backbone) -> None:
    with Client(url) as client:
        client.publish("pets", with_samples(small).to_bytes())
    result = CliRunner().invoke(app, ["events", url])
    assert result.exit_code == 0, result.output
    first, second = result.stdout.splitlines()
    assert "UTC  pets  activate 1  http:127.0.0.1" in first
    assert "publish 1" in second
    result = CliRunner().invoke(app, ["events", url, "--limit", "1", "--json"])
    assert '"event": "activate"' in result.stdout
    assert "publish" not in result.stdout


def test_the_example_for_gradio_parses_and_calls_what_there_is() -> None:
    tree = ast.parse(EXAMPLE.read_text())
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "client"
    }
    assert called == {"tasks", "predict"}
    assert called <= {name for name, _ in inspect.getmembers(Client, inspect.isfunction)}
