"""Bodies that are too long, lie about their length or never end.

They are sent through a socket to a real server.
"""

import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.service.support.app import png
from tests.service.support.pets import answer, pets_server
from tests.service.support.processes import Server

LIMIT = 100_000
PATH = "/v1/tasks/pets/predict"


@pytest.fixture(scope="module", params=[0, 2], ids=["one process", "HTTP workers"])
def server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Server]:
    store = tmp_path_factory.mktemp("store")
    limits = {"max_image_bytes": LIMIT, "max_request_bytes": LIMIT, "idle_body_seconds": 0.5}
    with pets_server(store, request.param, **limits) as server:
        yield server


def head(path: str, *headers: str) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: image/png",
        *headers,
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def closed(connection: socket.socket) -> bool:
    """Whether the server ends the connection in order: no byte more, no reset."""
    return connection.recv(1) == b""


@pytest.mark.parametrize(
    "path", [PATH, "/v1/predict", "/v1/tasks/nobody/predict", "/v1/tasks/pets/versions", "/nope"]
)
def test_a_client_that_reads_only_after_sending_gets_its_answer(server: Server, path: str) -> None:
    body = b"x" * 8_000_000  # more than any socket buffer holds
    with server.connect() as connection:
        connection.sendall(head(path, f"Content-Length: {len(body)}") + body)
        status, headers, document = answer(connection)
        expected = {PATH: 413, "/v1/predict": 415, "/v1/tasks/pets/versions": 415}.get(path, 404)
        assert (status, document["status"]) == (expected, expected)
        assert headers["content-type"] == "application/problem+json"
        # An HTTP worker passes on a whole body, and then the connection may stay open.
        if "connection" in headers or not server.http_workers:
            assert headers["connection"] == "close"
            assert closed(connection)


def test_a_short_body_that_is_refused_unread_keeps_its_connection(server: Server) -> None:
    image = png()
    with server.connect() as connection:
        for path, expected in (("/v1/tasks/nobody/predict", 404), ("/nope", 404), (PATH, 200)):
            connection.sendall(head(path, f"Content-Length: {len(image)}"))
            connection.sendall(image)
            status, headers, _ = answer(connection)
            assert (status, headers.get("connection")) == (expected, None)


def test_a_short_body_that_never_arrives_delays_its_answer_only_a_little(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(head("/nobody", "Content-Length: 5000") + b"x" * 100)
        status, headers, _ = answer(connection)
        assert (status, headers["connection"]) == (408 if server.http_workers else 404, "close")


def test_an_announced_length_over_the_limit_is_refused_before_the_body_arrives(
    server: Server,
) -> None:
    with server.connect() as connection:
        connection.sendall(head(PATH, f"Content-Length: {10**15}"))
        status, _, document = answer(connection)
        assert status == 413
        assert str(LIMIT) in str(document["detail"])


def test_a_client_that_expects_100_continue_is_refused_without_sending(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(head(PATH, "Content-Length: 8000000", "Expect: 100-continue"))
        status, headers, _ = answer(connection)
        assert (status, headers["connection"]) == (413, "close")
        assert closed(connection)


def test_a_client_that_expects_100_continue_may_send(server: Server) -> None:
    image = png()
    with server.connect() as connection:
        connection.sendall(head(PATH, f"Content-Length: {len(image)}", "Expect: 100-continue"))
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(image)
        assert answer(connection)[0] == 200


def test_a_body_without_a_length_is_counted_as_it_arrives(server: Server) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with server.connect() as connection:
        connection.sendall(head(PATH, "Transfer-Encoding: chunked") + chunk * 100 + b"0\r\n\r\n")
        status, headers, document = answer(connection)
        assert (status, headers["connection"]) == (413, "close")
        assert str(LIMIT) in str(document["detail"])
        assert closed(connection)


def test_a_small_body_without_a_length_is_accepted(server: Server) -> None:
    image = png()
    with server.connect() as connection:
        body = f"{len(image):x}\r\n".encode() + image + b"\r\n0\r\n\r\n"
        connection.sendall(head(PATH, "Transfer-Encoding: chunked") + body)
        assert answer(connection)[0] == 200


def test_more_bytes_than_announced_are_an_invalid_request(server: Server) -> None:
    image = png()
    with server.connect() as connection:
        connection.sendall(
            head(PATH, f"Content-Length: {len(image)}") + image + b"and more\r\n\r\n"
        )
        received = connection.makefile("rb").read()
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"400"]


def test_a_body_that_stops_is_refused_after_a_while(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(head(PATH, "Content-Length: 5000") + b"x" * 100)
        status, headers, document = answer(connection)
        assert (status, headers["connection"]) == (408, "close")
        assert "0.5 seconds" in str(document["detail"])


def test_a_client_that_leaves_within_a_body_disturbs_nobody(server: Server) -> None:
    for _ in range(5):
        with server.connect() as connection:
            connection.sendall(head(PATH, "Content-Length: 5000") + b"x" * 100)


def test_a_form_over_the_limit(server: Server) -> None:
    with server.client() as client:
        response = client.post(PATH, files=[("file", ("a.png", b"x" * 60_000))] * 3)
        assert response.status_code == 413
        assert str(LIMIT) in response.json()["detail"]


def test_conflicting_lengths_are_an_invalid_request(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(
            head(PATH, "Content-Length: 5", "Transfer-Encoding: chunked")
            + b"0\r\n\r\nGET / HTTP/1.1\r\n"
        )
        assert connection.recv(12) == b"HTTP/1.1 400"


def test_a_body_that_trickles_in_is_given_up(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(head(PATH, "Content-Length: 1000"))
        begin = time.monotonic()
        with suppress(OSError):
            for _ in range(100):
                connection.sendall(b"x")
                time.sleep(0.1)
                if select.select([connection], [], [], 0)[0]:
                    break
        assert time.monotonic() - begin < 5
        status, _, document = answer(connection)
    assert status == 408
    assert "expected more bytes" in str(document["detail"])
