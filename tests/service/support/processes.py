"""Starting, watching and stopping real server processes."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import httpx

ROOT = Path(__file__).parents[3]
SMALL_SERVER = "tests.service.support.small_server"


def environment(path: Path = ROOT, **settings: object) -> dict[str, str]:
    """This process's environment without its own settings, with these."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FACET_")}
    given = {f"FACET_{name.upper()}": str(value) for name, value in settings.items()}
    return inherited | given | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(path)}


class Server:
    """A running server: its address, and the lines it prints."""

    http_workers = 0

    def __init__(self, process: "subprocess.Popen[str]", lines: IO[str]) -> None:
        self.process = process
        self._lines = lines
        self.url = self.wait_for(r"at ((?:https?|unix):/\S+)")
        if address := re.fullmatch(r"https?://(.*):(\d+)", self.url):
            self.host, self.port = address[1], int(address[2])

    def wait_for(self, pattern: str) -> str:
        """The first group of the first line that matches."""
        return wait_for(self._lines, pattern)

    def client(self, **options: object) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, **options)  # type: ignore[arg-type]

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=20)

    def stop(self, sig: int = signal.SIGTERM) -> int:
        """Signal it and wait for its exit status."""
        self.process.send_signal(sig)
        return self.process.wait(30)


def wait_for(lines: IO[str], pattern: str) -> str:
    for line in lines:
        if found := re.search(pattern, line):
            return found.group(1)
    raise AssertionError(f"the process ended before it printed {pattern!r}")


@contextmanager
def command(
    *arguments: str,
    path: Path = ROOT,
    log: Path | None = None,
    through: Sequence[str] = (),
    **settings: object,
) -> Iterator[Server]:
    """A process that serves, from the start of its banner to the end of the block.

    Its log goes to a file if one is given. `through` is a command that starts it.
    """
    with ExitStack() as files:
        process = subprocess.Popen(
            [*through, sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=files.enter_context(log.open("w")) if log else None,
            text=True,
            env=environment(path, **settings),
        )
    assert process.stdout is not None
    try:
        yield Server(process, process.stdout)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def small_server(
    store: Path, *, forward_seconds: float = 0.0, **settings: Any
) -> AbstractContextManager[Server]:
    """A server with the small backbone on a free port.

    Each forward takes at least `forward_seconds`. Of the settings, `log` and `through` are those of
    `command`.
    """
    return command("-m", SMALL_SERVER, "0", str(store), str(forward_seconds), **settings)


class Nursery:
    """Forks servers from one process that has imported everything.

    A start so takes a fraction of a second.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", SMALL_SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self._pids: list[int] = []

    def start(self, store: Path) -> str:
        """Start a server on a free port; returns its address."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"0 {store}\n")
        self._process.stdin.flush()
        self._pids.append(int(wait_for(self._process.stdout, r"pid (\d+)")))
        return wait_for(self._process.stdout, r"at (http://\S+)")

    def kill(self) -> None:
        """kill -9 the server that was started last."""
        os.kill(self._pids.pop(), signal.SIGKILL)

    def close(self) -> None:
        """End the servers that still run, and the process that forked them."""
        while self._pids:
            self.kill()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
