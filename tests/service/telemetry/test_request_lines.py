"""The log has one line for each request: what it was, never what must stay secret."""

import io
import json
import logging.config
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.service.http.server.logs import log_config
from facet_vision.service.settings import Settings
from facet_vision.service.telemetry.json_log import JsonFormatter
from facet_vision.service.telemetry.request_log import SHOWN_TASKS, Facts, RequestLine
from tests.service.support.app import PNG, ask, png, small_backbone, task_file, upload
from tests.service.support.keys import Keys
from tests.service.support.processes import small_server

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SECRET = "s3cr3t"
HEADERS = {**PNG, "Authorization": f"Bearer {SECRET}", "Cookie": SECRET, "traceparent": TRACE}


@pytest.fixture
def lines() -> Iterator[Callable[[str], list[str]]]:
    """Configures the log as a server does, at info; called again it returns what was written."""
    written = io.StringIO()
    before = {name: (log.level, log.propagate) for name, log in _loggers().items()}

    def log(form: str = "") -> list[str]:
        if form:
            config = log_config(Settings(log_level="info", log_format=form))
            config["handlers"]["default"]["stream"] = written
            logging.config.dictConfig(config)
        found = written.getvalue().splitlines()
        written.truncate(written.seek(0))
        return found

    yield log
    for name, logger in _loggers().items():
        logger.handlers.clear()
        logger.setLevel(before.get(name, (logging.NOTSET, True))[0])
        logger.propagate = True


def _loggers() -> dict[str, logging.Logger]:
    names = ("facet", "uvicorn", "uvicorn.error", "uvicorn.access", "PIL", "python_multipart")
    return {name: logging.getLogger(name) for name in names}


def test_a_request_is_one_json_line(
    small: Backbone, client: TestClient, lines: Callable[..., list[str]]
) -> None:
    assert upload(client, task_file(small, "pets")).status_code == 201
    lines("json")
    url = f"/v1/tasks/pets/predict?top_k=1&token={SECRET}"
    assert client.post(url, content=png(), headers=HEADERS).status_code == 422
    files = [("file", png()), ("file", png(1)), ("tasks", (None, "pets"))]
    assert client.post("/v1/predict", files=files).status_code == 200
    first, second = lines()
    assert SECRET not in first + second
    told = json.loads(first)
    assert told.pop("time").endswith("+00:00")
    assert 0 < told.pop("seconds") < 5
    assert len(told.pop("span_id")) == 16
    assert told == {
        "level": "info",
        "logger": "facet.requests",
        "message": "request",
        "method": "POST",
        "route": "/v1/tasks/{task}/predict",
        "status": 422,
        "request_id": TRACE.split("-")[1],
        "trace_id": TRACE.split("-")[1],
    }
    told = json.loads(second)
    assert (told["status"], told["tasks"], told["images"]) == (200, ["pets"], 2)


def test_as_text_it_is_one_line_too(client: TestClient, lines: Callable[..., list[str]]) -> None:
    lines("text")
    answer = client.post("/v1/tasks/no%0Asuch%1B/predict", content=png(), headers=HEADERS)
    (line,) = lines()
    assert "POST /v1/tasks/{task}/predict 404 " in line
    assert r"tasks=no\nsuch\x1b" in line
    assert line.endswith(f"[request {answer.headers['x-request-id']}]")
    assert SECRET not in line
    client.get("/nowhere")
    assert "GET unmatched 404 " in lines()[0]


@pytest.mark.parametrize("root_path", ["", "/vision"])
def test_the_key_that_was_shown_is_told_by_its_name(
    serve: Callable[..., TestClient],
    lines: Callable[..., list[str]],
    tmp_path: Path,
    root_path: str,
) -> None:
    keys = Keys(tmp_path / "keys.json")
    shown = keys.add("ci")
    client = serve(keys_file=keys.path, root_path=root_path)
    lines("json")
    assert client.get(f"{root_path}/v1/tasks", headers=shown).status_code == 200
    (line,) = lines()
    assert json.loads(line)["key"] == "ci"
    assert keys.texts["ci"] not in line


def test_a_line_names_only_so_many_tasks() -> None:
    tasks = [f"t{index}" for index in range(SHOWN_TASKS + 3)]
    line = RequestLine("POST", 200, 0.5, Facts("/v1/predict", tasks, 2, key="ci"))
    assert line.fields["key"] == "ci"
    assert (len(line.fields["tasks"]), line.fields["more_tasks"]) == (SHOWN_TASKS, 3)
    assert str(line).endswith("t15,… 3 more images=2 key=ci")


def test_a_failure_is_one_line_with_its_traceback() -> None:
    try:
        raise ValueError("lost\nline \ud800")
    except ValueError:
        record = logging.LogRecord("facet", 40, "", 0, "no %s", ("\x1b",), sys.exc_info())
    written = JsonFormatter().format(record)
    assert "\n" not in written
    assert written.isascii()
    told: dict[str, Any] = json.loads(written)
    assert told["message"] == "no \x1b"
    assert "ValueError: lost\nline" in told["exception"]


def test_with_http_workers_too_each_request_is_told_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    options = {"log_format": "json", "log_level": "info", "http_workers": 1}
    with small_server(tmp_path / "store", log=log, **options) as server:
        with server.client() as client:
            assert upload(client, task_file(small_backbone(), "pets")).status_code == 201
            assert ask(client, "pets").status_code == 200
            assert client.get("/livez", headers={"Host": "elsewhere"}).status_code == 421
        assert server.stop() == 0
    told = [json.loads(line) for line in log.read_text().splitlines()]
    requests = [line for line in told if line.get("message") == "request"]
    assert [(line["route"], line["status"]) for line in requests] == [
        ("/v1/tasks/{task}/versions", 201),
        ("/v1/tasks/{task}/predict", 200),
        ("unmatched", 421),
    ]
