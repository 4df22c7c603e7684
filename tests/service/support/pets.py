"""A real server with one task, and its answers read from a socket."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.service.support.app import ask, small_backbone, task_file, upload
from tests.service.support.processes import Server, small_server


@contextmanager
def pets_server(store: Path, http_workers: int, **settings: Any) -> Iterator[Server]:
    """A server of the task "pets"; whatever was sent in the block, it still serves at its end."""
    with small_server(store, http_workers=http_workers, **settings) as server:
        with server.client() as client:
            assert upload(client, task_file(small_backbone(), "pets")).status_code == 201
        server.http_workers = http_workers
        yield server
        with server.client() as client:
            assert ask(client, "pets").status_code == 200


def answer(connection: socket.socket) -> tuple[int, dict[str, str], dict[str, object]]:
    """Read one response to its end: status, headers, document."""
    reader = connection.makefile("rb")
    status = int(reader.readline().split()[1])
    headers: dict[str, str] = {}
    while line := reader.readline().strip():
        name, _, value = line.decode().partition(": ")
        headers[name.lower()] = value
    return status, headers, json.loads(reader.read(int(headers["content-length"])))
