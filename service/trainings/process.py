"""One `facet train` in a process of its own."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Self

LAUNCHER = Path(__file__).with_name("launcher.py")
MAX_LINE_BYTES = 1024 * 1024


class TrainProcess:
    """The process, with what it says.

    Args:
        process: the launcher's.

    Attributes:
        said: its last line for people.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said = ""

    @classmethod
    async def start(cls, command: Sequence[str], *, threads: int, priority: str) -> Self:
        """Start a command that computes with so many threads, at the priority idle or normal."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", str(LAUNCHER), priority, *command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=environment(threads),
            limit=MAX_LINE_BYTES,
        )
        return cls(process)

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what it says of its progress until it ends."""
        assert self._process.stderr is not None
        while True:
            try:
                line = await self._process.stderr.readline()
            except ValueError:  # a line without end
                continue
            if not line:
                return
            told = _document(line)
            if told is None:
                self.said = line.decode(errors="replace").strip() or self.said
            elif "phase" in told:
                yield told

    async def wait(self) -> int:
        """Wait for its end, and return its exit status."""
        code = await self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        return code

    def kill(self) -> None:
        """End it with all processes that it has started."""
        if self._process.returncode is not None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has not yet made the group, and started nothing
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


def environment(threads: int) -> dict[str, str]:
    """Return this process's environment without the server's settings, and its keys among them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FACET_")}
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return kept | limits | {"PYTHONUNBUFFERED": "1"}


def _document(line: bytes) -> dict[str, Any] | None:
    """Return the object in a line, None if the line is for people."""
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
