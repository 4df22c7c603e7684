"""The client, against a live server in this process."""

import socket

import httpx
import pytest

from facet_vision.backbone import Backbone
from facet_vision.service.client.client import Client, ClientError
from tests.service.support.app import numbered, png


@pytest.fixture
def nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def test_the_whole_life_of_a_task(url: str, small: Backbone) -> None:
    data = [numbered(small, "counter", number) for number in (1, 2)]
    with Client(url + "/") as client:
        assert client.publish("counter", data[0]).version == 1
        assert client.publish("counter", data[1], activate=False).live is False
        assert client.task("counter").live == 1
        assert client.activate("counter", 2).document() == {"task": "counter", "version": 2}
        assert client.download("counter", 1) == data[0]
        assert [task.task for task in client.tasks().tasks] == ["counter"]
        images = [(f"{seed}.png", png(seed)) for seed in range(40)]  # more than one request takes
        results = client.predict("counter", images, top_k=1)
        assert [(r.image, r.file) for r in results] == [(n, f"{n}.png") for n in range(40)]
        assert {r.best.label for r in results} == {"v2"}
        client.retire("counter")
        assert client.tasks().tasks[0].state == "retired"


def test_the_servers_sentence_is_the_error(url: str) -> None:
    with Client(url) as client, pytest.raises(ClientError, match="nobody") as refused:
        client.predict("nobody", [("a.png", png())])
    assert (refused.value.status, refused.value.reason) == (404, "unknown-task")


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
