"""The client and the commands that use it, against a live server in this process."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import typer
from starlette.testclient import TestClient
from typer.testing import CliRunner

from facet_vision.backbone import Backbone
from facet_vision.service.banner import FIRST_TASKS, banner
from facet_vision.service.client.client import Client, ClientError
from facet_vision.service.client.command import predict, push, tasks
from tests.service.support.app import DEPTH, numbered, png, small_backbone, task_file, upload

cli = typer.Typer()
for command in (push, predict, tasks):
    cli.command()(command)


@pytest.fixture
def nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def test_the_whole_life_of_a_task(url: str, small: Backbone) -> None:
    data = [numbered(small, "counter", number) for number in (1, 2)]
    with Client(url + "/") as client:
        assert client.upload("counter", data[0])["version"] == 1
        assert client.upload("counter", data[1], activate=False)["live"] is False
        assert client.task("counter")["live"] == 1
        assert client.activate("counter", 2) == {"task": "counter", "version": 2}
        assert client.download("counter", 1) == data[0]
        assert [task["task"] for task in client.tasks()["tasks"]] == ["counter"]
        images = [(f"{seed}.png", png(seed)) for seed in range(40)]  # more than one request takes
        results = client.predict("counter", images, top_k=1)
        assert [(r["image"], r["file"]) for r in results] == [(n, f"{n}.png") for n in range(40)]
        assert {r["predictions"][0]["label"] for r in results} == {"v2"}
        client.retire("counter")
        assert client.tasks()["tasks"][0]["state"] == "retired"


def test_the_servers_sentence_is_the_error(url: str) -> None:
    with Client(url) as client, pytest.raises(ClientError, match="nobody") as refused:
        client.predict("nobody", [("a.png", png())])
    assert refused.value.status == 404


def test_no_server_and_no_facet_are_sentences(nobody: str) -> None:
    with Client(nobody) as client, pytest.raises(ClientError, match="found none that answers"):
        client.tasks()
    with pytest.raises(ClientError, match="expected"), Client("nonsense") as client:
        client.tasks()

    def other(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200 if request.method == "GET" else 502, text="<html>hello</html>")

    with Client("http://other", transport=httpx.MockTransport(other)) as client:
        with pytest.raises(ClientError, match="expected a Facet server, found something else"):
            client.tasks()
        with pytest.raises(ClientError, match="status 502"):
            client.retire("x")


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, list(arguments))
    return result.exit_code, result.output


def test_push_predict_tasks(url: str, small: Backbone, tmp_path: Path) -> None:
    file = tmp_path / "pets.safetensors"
    task_file(small, "pets", layers=DEPTH, bias=[0.0, 2.0]).save(file)
    images = [tmp_path / "a.png", tmp_path / "b.png"]
    for image in images:
        image.write_bytes(png())
    assert run("tasks", url) == (0, f"no tasks yet: facet push FILE --to {url}\n")
    assert run("push", str(file), "--to", url) == (0, f"pets version 1 is live at {url}\n")
    stored = run("push", str(file), "--to", url, "--no-activate")
    assert stored == (0, f"pets version 2 is stored, not live at {url}\n")
    status, output = run("predict", url, "pets", *map(str, images), "--top-k", "2")
    assert status == 0
    assert output.splitlines() == [f"{image}: dog 0.881, cat 0.119" for image in images]
    assert run("tasks", url) == (0, "pets  version 1 of 2, vpt-deep, 2 labels, accuracy 0.500\n")


def test_commands_fail_in_one_sentence(url: str, nobody: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.safetensors"
    foreign = tmp_path / "foreign.safetensors"
    image = tmp_path / "a.png"
    wrong.write_bytes(b"not a task file")
    task_file(small_backbone(seed=1), "pets").save(foreign)
    image.write_bytes(png())
    for arguments, words in (
        (["push", str(wrong), "--to", url], "facet push: "),
        (["push", str(foreign), "--to", url], "fingerprint"),
        (["predict", url, "nobody", str(image)], "nobody"),
        (["tasks", nobody], "found none that answers"),
    ):
        status, output = run(*arguments)
        assert status == 1
        assert words in output
        assert "Traceback" not in output
        assert len(output.strip().splitlines()) == 1


def test_the_banner_describes_what_is_served(client: TestClient, small: Backbone) -> None:
    def text() -> str:
        return client.portal.call(banner, client.app.state.components, "http://x")  # type: ignore

    assert "facet push TASK.safetensors --to http://x" in text()
    upload(client, task_file(small, "pets"))
    assert "serves 1 tasks on small (cpu, float32, plain) at http://x" in text()
    assert "pets  version 1, linear, 2 labels, accuracy 0.500" in text()
    for number in range(FIRST_TASKS + 1):
        upload(client, task_file(small, f"more-{number:02}"))
    assert f"serves a store of {FIRST_TASKS + 2} tasks on small" in text()
    assert "more-19" in text()
    assert "more-20" not in text()
    assert "  and 2 more\n" in text()


def test_the_client_needs_no_torch() -> None:
    modules = ("client.client", "client.command", "command")
    names = ", ".join(f"facet_vision.service.{module}" for module in modules)
    code = f"import {names}, sys, json; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert not {"torch", "timm", "fastapi"} & set(json.loads(done.stdout))
