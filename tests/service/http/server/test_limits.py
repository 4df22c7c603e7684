"""Heads, trailers and idle connections: a stranger's cost others nothing, and end in a sentence."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from shutil import which

import pytest

from tests.service.support.app import ask, metrics, png, small_backbone, task_file, upload
from tests.service.support.pets import answer, pets_server
from tests.service.support.processes import Server, small_server

HEAD = 8192
FIELDS = 40
SECONDS = 1.0
OPEN = 60
PATH = "/v1/tasks/pets/predict"


@pytest.fixture(scope="module", params=[0, 2], ids=["one process", "HTTP workers"])
def server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Server]:
    store = tmp_path_factory.mktemp("store")
    limits = {"max_head_bytes": HEAD, "max_head_fields": FIELDS, "head_seconds": SECONDS}
    with pets_server(store, request.param, max_connections=OPEN, **limits) as server:
        yield server


def get(*headers: bytes) -> bytes:
    return b"\r\n".join([b"GET /livez HTTP/1.1", b"Host: localhost", *headers, b"", b""])


def post(*headers: bytes) -> bytes:
    start = [f"POST {PATH} HTTP/1.1".encode(), b"Host: localhost", b"Content-Type: image/png"]
    return b"\r\n".join([*start, *headers, b"", b""])


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%b\r\n%b\r\n" % (len(data), extension, data)


CHUNKED = post(b"Transfer-Encoding: chunked")

BAD: dict[str, tuple[bytes, int, str]] = {
    "one long header": (get(b"X: " + HEAD * b"a"), 431, "head-too-large"),
    "many headers": (get(*(b"X%d: a" % i for i in range(FIELDS))), 431, "head-too-large"),
    "a long target": (
        b"GET /" + HEAD * b"a" + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        431,
        "head-too-large",
    ),
    "megabytes of a header": (b"GET / HTTP/1.1\r\nX: " + (8 << 20) * b"a", 431, "head-too-large"),
    "megabytes of a target": (b"GET /" + (8 << 20) * b"a", 431, "head-too-large"),
    "a million headers": (b"GET / HTTP/1.1\r\n" + 10**6 * b"X: a\r\n", 431, "head-too-large"),
    "a long trailer": (
        CHUNKED + chunk(png()) + b"0\r\nX: " + (1 << 20) * b"a",
        400,
        "bad-request",
    ),
    "many trailers": (CHUNKED + chunk(png()) + b"0\r\n" + 10**5 * b"X: a\r\n", 400, "bad-request"),
    "long chunk extensions": (
        CHUNKED + 50 * chunk(b"a", b";" + (1 << 14) * b"e"),
        400,
        "bad-request",
    ),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, "bad-request"),
    "two lengths": (post(b"Content-Length: 1", b"Content-Length: 2"), 400, "bad-request"),
    "length and chunks": (
        post(b"Content-Length: 1", b"Transfer-Encoding: chunked"),
        400,
        "bad-request",
    ),
    "no host": (b"GET /livez HTTP/1.1\r\n\r\n", 400, "bad-request"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_over_a_limit_is_refused_in_a_sentence(server: Server, name: str) -> None:
    data, status, reason = BAD[name]
    with server.connect() as connection:
        sending = threading.Thread(target=send, args=(connection, data))
        sending.start()
        found, headers, document = answer(connection)
        sending.join()
    assert found == status
    assert headers["content-type"] == "application/problem+json"
    assert document["type"] == f"urn:facet:problem:{reason}"


def send(connection: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        connection.sendall(data)


def test_what_is_within_the_limits_is_answered(server: Server) -> None:
    many = b"".join(chunk(png()[at : at + 1]) for at in range(len(png())))
    for data in (
        get(b"X: " + (HEAD - 100) * b"a"),
        get(*(b"X%d: a" % i for i in range(FIELDS - 1))),
        CHUNKED + many + b"0\r\nX-Checksum: 1\r\n\r\n",
        CHUNKED + chunk(png(), b";name=value") + b"0\r\n\r\n",
    ):
        with server.connect() as connection:
            for _ in range(2):  # the connection goes on
                connection.sendall(data)
                assert answer(connection)[0] == 200


def test_a_trailer_is_no_header(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(CHUNKED + chunk(png()) + b"0\r\nHost: rebound.example\r\n\r\n")
        assert answer(connection)[0] == 200


@pytest.mark.parametrize("begun", [b"", b"GET /livez HT", get()[:-2], get() + get()[:-2]])
def test_a_head_that_does_not_end_ends_in_time(server: Server, begun: bytes) -> None:
    with server.connect() as connection:
        connection.sendall(begun)
        begin = time.monotonic()
        received = connection.makefile("rb").read()
        assert SECONDS * 0.9 < time.monotonic() - begin < SECONDS + 5
    assert (b"HTTP/1.1 408" in received) == bool(begun)
    assert received.count(b"HTTP/1.1 200") == begun.count(b"\r\n\r\n")


def test_a_trickled_head_ends_in_time_too(server: Server) -> None:
    with server.connect() as connection:
        begin = time.monotonic()
        with suppress(OSError):
            for byte in get(b"X: " + 2000 * b"a"):
                connection.sendall(bytes([byte]))
                time.sleep(0.01)
        assert time.monotonic() - begin < SECONDS + 5


def test_connections_that_send_nothing_give_way(server: Server) -> None:
    with ExitStack() as held:
        for _ in range(3 * OPEN * max(1, server.http_workers)):
            held.enter_context(server.connect())
        with server.client() as client:
            assert ask(client, "pets").status_code == 200


def test_a_client_that_half_closes_gets_its_answer(server: Server) -> None:
    whole = post(b"Content-Length: %d" % len(png())) + png()
    for sent, answers in ((whole, 1), (whole + whole + get(), 3)):
        with server.connect() as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            received = connection.makefile("rb").read()
        assert received.count(b"HTTP/1.1 200") == answers
        assert b"connection: close" in received.rpartition(b"HTTP/1.1 200")[2].lower()


def test_a_request_that_asks_for_another_protocol_is_answered_in_this_one(server: Server) -> None:
    asking = get(b"Connection: Upgrade", b"Upgrade: websocket")
    with server.connect() as connection:
        connection.sendall(asking + get(b"Connection: close"))
        assert connection.makefile("rb").read().count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize("bad", ["no HTTP", "two lengths", "many headers", "many trailers"])
def test_what_is_refused_takes_the_place_of_its_own_answer_only(server: Server, bad: str) -> None:
    whole = post(b"Content-Length: %d" % len(png())) + png()
    data, status, _ = BAD[bad]
    with server.connect() as connection:
        sending = threading.Thread(target=send, args=(connection, whole + get() + data))
        sending.start()
        received = connection.makefile("rb").read()
        sending.join()
    assert [int(found) for found in re.findall(rb"HTTP/1.1 (\d+)", received)] == [200, 200, status]


def test_chunks_of_a_byte_each_are_read_only_so_far(server: Server) -> None:
    with server.connect() as connection:
        sending = threading.Thread(target=send, args=(connection, CHUNKED + 10**6 * chunk(b"a")))
        sending.start()
        found, _, document = answer(connection)
        sending.join()
    assert found == 400
    assert "chunk extensions" in str(document["detail"])


def test_refusals_are_counted(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(get(b"X: " + HEAD * b"a"))
        assert answer(connection)[0] == 431
    with server.client() as client:
        assert metrics(client)['facet_rejections_total{reason="head-too-large"}'] > 0


@pytest.mark.skipif(not which("prlimit"), reason="prlimit is not installed")
def test_without_descriptors_the_others_are_served_and_the_log_says_so(tmp_path: Path) -> None:
    log = tmp_path / "log"
    few = ("prlimit", "--nofile=300:300")
    with small_server(tmp_path / "store", log=log, through=few) as server, ExitStack() as held:
        for _ in range(500):
            held.enter_context(server.connect())
        with server.client() as client:
            assert client.get("/readyz").status_code == 200
            assert upload(client, task_file(small_backbone(), "pets")).status_code == 201
    # Beside the record of changes, which has the upload.
    lines = [line for line in log.read_text().splitlines() if not line.startswith("{")]
    assert len(lines) == 1, lines
    assert "connections: expected at most" in lines[0]
