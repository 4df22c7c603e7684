"""Clients that leave before their answer: their work is dropped, other clients are unaffected."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI

from facet_vision.service.engine.batcher import Batcher
from tests.service.support.app import (
    TASK_FILE,
    ask,
    metrics,
    small_backbone,
    task_file,
    upload,
)
from tests.service.support.batcher import held
from tests.service.support.forms import FORMS, asking


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=20) as client:
        upload(client, task_file(small_backbone(), "pets"))
        yield client


def eventually(check: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not check():
        assert time.monotonic() < until
        time.sleep(0.005)


@contextmanager
def sent(url: str, request: httpx.Request) -> Iterator[None]:
    """A client that has sent its request, and leaves at the end of the block without an answer."""
    address = urlsplit(url)
    fields = [f"{name}: {value}" for name, value in request.headers.items()]
    lines = [f"{request.method} {request.url.path} HTTP/1.1", *fields, "", ""]
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall("\r\n".join(lines).encode() + request.read())
        yield


@pytest.mark.parametrize("form", FORMS)
def test_the_rows_of_a_client_that_left_are_not_run(
    app: FastAPI, url: str, http: httpx.Client, form: str
) -> None:
    batcher: Batcher = app.state.components.batcher
    before = metrics(http)["facet_batch_rows_sum"]
    with held(batcher):
        with sent(url, asking(form)):
            eventually(lambda: batcher.queued == 1)
        eventually(lambda: batcher.admitted == 0)
    assert ask(http, "pets").status_code == 200
    after = metrics(http)
    assert after["facet_batch_rows_sum"] == before + 1
    assert after['facet_rejections_total{reason="client-gone"}'] == 1


def test_an_upload_is_finished_when_its_client_leaves(
    app: FastAPI, url: str, http: httpx.Client
) -> None:
    data = task_file(small_backbone(), "cars").to_bytes()
    request = http.build_request("POST", "/v1/tasks/cars/versions", content=data, headers=TASK_FILE)
    publisher = app.state.components.publisher
    with held(app.state.components.batcher), sent(url, request):
        eventually(lambda: len(publisher) == 1)
    eventually(lambda: ask(http, "cars").status_code == 200)


def test_probes_and_lists_answer_while_the_engine_is_busy(app: FastAPI, http: httpx.Client) -> None:
    with held(app.state.components.batcher):
        for path in ("/livez", "/readyz", "/metrics", "/v1/tasks", "/v1/tasks/pets"):
            assert http.get(path).status_code == 200
