"""A server that speaks S3, and a proxy before it that fails as networks do."""

import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import sleep
from typing import Any
from urllib.parse import urlsplit

import httpx
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

FAULTS = {"delay", "unsent", "unanswered", "truncated"}


@contextmanager
def s3_server() -> Iterator[dict[str, Any]]:
    """Options for a bucket named 'bucket' on a server of its own."""
    # One request at a time: moto looks whether an object exists and then writes it, without a
    # lock between, so threaded it would break its own If-None-Match promise, which S3 keeps.
    server = make_server(
        "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    endpoint = f"http://127.0.0.1:{server.port}"
    httpx.put(f"{endpoint}/bucket").raise_for_status()
    keys = {"access_key_id": "facet", "secret_access_key": "facet", "region": "us-east-1"}
    yield {"endpoint": endpoint, "client_options": {"allow_http": True}, **keys}
    server.shutdown()
    thread.join()
    server.server_close()


class FaultyProxy:
    """Passes requests on to a server, one in a connection, and fails some of them.

    * delay: the answer comes late, sometimes later than a client waits;
    * unsent: the connection is cut before the request reaches the server;
    * unanswered: it is cut after the request is done, so its client cannot know;
    * truncated: it is cut in the middle of the answer.

    Args:
        endpoint: the server's address.
        share: of the requests that fail.
        latest: the longest delay in seconds.
        seed: of the dice.

    Attributes:
        counts: of requests by their fault; "none" of those that were passed on as they were.
        share: may be changed at any time.
    """

    def __init__(self, endpoint: str, *, share: float, latest: float, seed: int = 0) -> None:
        address = urlsplit(endpoint)
        self._server = (str(address.hostname), int(address.port or 80))
        self._dice = random.Random(seed)
        self._latest = latest
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.share = share
        self.counts: Counter[str] = Counter()
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        """End all connections, those that a client holds in reserve as well."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        threads = []
        with suppress(OSError):  # the listener is closed
            while True:
                connection, _ = self._listener.accept()
                threads.append(threading.Thread(target=self._pass_on, args=(connection,)))
                threads[-1].start()
        for thread in threads:
            thread.join()

    def _pass_on(self, connection: socket.socket) -> None:
        self._connections.add(connection)
        with connection, suppress(OSError):  # the client may have gone
            self._answer(connection)
        self._connections.discard(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        request = _request(connection)
        if not request:
            return
        fault = self._dice.choice(sorted(FAULTS)) if self._dice.random() < self.share else "none"
        self.counts[fault] += 1
        if fault == "unsent":
            return
        answer = self._ask(request)
        if fault == "unanswered":
            return
        if fault == "delay":
            sleep(self._dice.uniform(0, self._latest))
        end = self._dice.randrange(len(answer)) if fault == "truncated" else len(answer)
        connection.sendall(answer[:end])

    def _ask(self, request: bytes) -> bytes:
        """Return the whole answer; the server closes the connection after it."""
        with socket.create_connection(self._server, timeout=20) as server:
            server.sendall(request)
            return b"".join(iter(lambda: server.recv(65536), b""))


def _request(connection: socket.socket) -> bytes:
    """Read one request, whose length a header tells; empty if the client sent none."""
    read = b""
    while b"\r\n\r\n" not in read:
        if not (part := connection.recv(65536)):
            return b""
        read += part
    head, _, body = read.partition(b"\r\n\r\n")
    length = 0
    lines = []
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
        if name.lower() != b"connection":
            lines.append(line)
    while len(body) < length:
        if not (part := connection.recv(65536)):
            return b""
        body += part
    return b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body
