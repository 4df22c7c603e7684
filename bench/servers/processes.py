"""The process of a server under test, from its start to its end with all descendants."""

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
"""Environment variable by which a server's descendants are found, whoever their parent is."""

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

    def post(self, request: Request) -> int:
        """Return the status of the answer, 0 if there was none."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", request.path, request.body, dict(request.headers))
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def processes(self) -> list[int]:
        """List the server's process and all its descendants."""
        return _family(self.mark, self.process.pid)

    def memory(self) -> int:
        """Return bytes of memory, shared pages counted once (PSS); 0 where /proc lacks them."""
        return sum(_pss(pid) for pid in self.processes())

    def resident(self) -> int:
        """Return bytes of memory, shared pages counted in every process (RSS).

        Unlike `memory` it costs the server nothing.
        """
        return sum(_rss(pid) for pid in self.processes())

    def check(self) -> None:
        """Raise ServerFailed with the log's last line if it has ended."""
        if self.process.poll() is not None:
            lines = self.log.read_text(errors="replace").split("\n")
            last = next((line for line in reversed(lines) if line.strip()), "nothing in its log")
            raise ServerFailed(f"the server ended early with: {last.strip()}")


def free_port() -> int:
    """Return a port that no process listens on now."""
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
        ServerFailed: it ended, or gave no answer within START_SECONDS.
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
    while server.post(ready) != 200:
        server.check()
        if monotonic() > last:
            raise ServerFailed(f"the server gave no answer within {START_SECONDS:.0f} seconds")
        sleep(0.05)


def _end(server: Server) -> None:
    """Stop the server gently, then kill what is left of it and its descendants."""
    # Before the signal: without their parent some descendants are no longer found.
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
    # Their memory must be free before the next server starts.
    last = monotonic() + STOP_SECONDS
    while any(map(_runs, left)) and monotonic() < last:
        sleep(0.02)


def _runs(pid: int) -> bool:
    """Return whether a process exists and is no zombie."""
    try:
        return _stat(pid)[0] != "Z"
    except OSError:
        return False


def _stat(pid: int) -> list[str]:
    """Read a process's state, parent and so on: the fields behind its name in /proc.

    The name stands in parentheses and may hold any character, so the last one ends it.
    """
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _family(mark: str, first: int) -> list[int]:
    """List the processes that carry the mark, and their descendants.

    Descendants are needed too, since some programs overwrite their environment with a title.
    """
    parents: dict[int, int] = {}
    found = {first}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):  # it ended, or belongs to another user
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
