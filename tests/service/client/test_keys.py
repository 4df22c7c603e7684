"""The client's commands show a key."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from facet_vision.cli import app
from facet_vision.service.client.client import Client, ClientError

KEY = "facet_0123456789ab_SECRET"
NO_TASKS = {"backbone": "tiny", "fingerprint": "0", "tasks": []}


class Recorder(http.server.BaseHTTPRequestHandler):
    """Notes what is shown, and refuses."""

    shown: list[str | None] = []  # noqa: RUF012  (of the server's one test)

    def answer(self) -> None:
        self.shown.append(self.headers.get("Authorization"))
        self.send_response(401)
        self.end_headers()

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Recorder.shown.clear()
    with http.server.HTTPServer(("127.0.0.1", 0), Recorder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_every_command_shows_it(address: str, tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    image.write_bytes(b"image")
    commands = [
        ["tasks", address],
        ["predict", address, "pets", str(image)],
        *([name, "pets", "--server", address] for name in ("versions", "retire", "rollback")),
        *([name, "pets", "1", "--server", address] for name in ("activate", "delete", "download")),
    ]
    for command in commands:
        for arguments, environment in (
            ([*command, "--key", KEY], {}),
            (command, {"FACET_KEY": KEY}),
        ):
            Recorder.shown.clear()
            result = CliRunner().invoke(app, arguments, env=environment)
            assert result.exit_code != 0
            assert Recorder.shown == [f"Bearer {KEY}"], command
            assert "SECRET" not in result.output
        Recorder.shown.clear()
        CliRunner().invoke(app, command)
        assert Recorder.shown == [None], command


def test_what_is_no_key_is_refused_and_not_repeated() -> None:
    for text in ("SECRET with a space", "SECRET\n", "SECRETé"):
        with pytest.raises(ClientError, match="key: expected one") as refused:
            Client("http://localhost", key=text)
        assert "SECRET" not in str(refused.value)

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        return httpx.Response(200, json=NO_TASKS)

    with Client("http://localhost", key=KEY, transport=httpx.MockTransport(answer)) as client:
        assert client.tasks().document() == NO_TASKS
