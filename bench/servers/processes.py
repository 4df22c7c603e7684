"""A server under test: started, watched and ended as a process of its own with all that it spawns."""

import contextlib
import http.client
import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

MARK = "BENCH_SERVER"
"""A variable by which the children of a server are found, wherever they move."""

START_SECONDS = 600.0
ANSWER_SECONDS = 60.0
STOP_SECONDS = 20.0


class ServerFailed(ChildProcessError):
    """A server under test did not start or ended early."""


@dataclass(frozen=True)
class Request:
    """A request that a server answers with 200 once it is ready."""

    path: str
    body: bytes
    headers: Mapping[str, str]


@dataclass
class Server:
    """A running server.

    Attributes:
        seconds_to_ready: from the start of the process to the first answer.
    """

    process: "subprocess.Popen[bytes]"
    mark: str
    port: int
    log: Path
    host: str = "127.0.0.1"
    seconds_to_ready: float = 0.0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}:{self.port}"

    def ask(self, request: Request) -> int:
        """The status of the answer, 0 if there was none."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", request.path, request.body, dict(request.headers))
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def processes(self) -> list[int]:
        """It and everything that it spawned."""
        return _family(self.mark, self.process.pid)

    def memory(self) -> int:
        """Bytes of memory, pages that processes share counted once (PSS); 0 where /proc does not tell."""
        return sum(_pss(pid) for pid in self.processes())

    def resident(self) -> int:
        """Bytes of memory with shared pages counted in every process (RSS): costs the server nothing to ask."""
        return sum(_rss(pid) for pid in self.processes())

    def check(self) -> None:
        """Raise ServerFailed with the log's last line if it has ended."""
        if self.process.poll() is not None:
            lines = self.log.read_text(errors="replace").split("\n")
            last = next((line for line in reversed(lines) if line.strip()), "nothing in its log")
            raise ServerFailed(f"server: expected it to run, found it ended with: {last.strip()}")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(
    command: Sequence[str],
    port: int,
    ready: Request,
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Start a server, wait until it answers `ready`, and end it with all its children.

    Raises:
        ServerFailed: it ended, or gave no answer within ten minutes.
    """
    mark = secrets.token_hex(8)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {}), MARK: mark},
        )
    server = Server(process, mark, port, log)
    begun = monotonic()
    try:
        _wait(server, ready, begun + START_SECONDS)
        server.seconds_to_ready = monotonic() - begun
        yield server
    finally:
        _end(server)


def _wait(server: Server, ready: Request, last: float) -> None:
    while server.ask(ready) != 200:
        server.check()
        if monotonic() > last:
            raise ServerFailed(
                f"server: expected an answer within {START_SECONDS:.0f} seconds, found none"
            )
        sleep(0.05)


def _end(server: Server) -> None:
    family = server.processes()
    with contextlib.suppress(ProcessLookupError):
        server.process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.process.wait(STOP_SECONDS)
    left = {*family, *server.processes()}
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.process.wait()
    last = monotonic() + STOP_SECONDS
    while (
        any(map(_runs, left)) and monotonic() < last
    ):  # their memory must be free before the next server starts
        sleep(0.02)


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return _stat(pid)[0] != "Z"
    except OSError:
        return False


def _stat(pid: int) -> list[str]:
    """State, parent and so on: what /proc tells behind a process's name, which may hold any character."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _family(mark: str, first: int) -> list[int]:
    """Processes that carry the mark, and their descendants: some overwrite their environment to show a title."""
    parents: dict[int, int] = {}
    found = {first}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            pid = int(folder.name)
            parents[pid] = int(_stat(pid)[1])
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                found.add(pid)
    grown = -1
    while grown != len(found):
        grown = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return sorted(pid for pid in found if pid in parents)


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _rss(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
