"""Which server a training waits or runs at: host, process, and when that began.

gpu-1/4711/88123
"""

import os
import socket
from pathlib import Path
from typing import Literal


def this_server() -> str:
    """Return the name of this process."""
    return f"{socket.gethostname()}/{os.getpid()}/{_began(os.getpid())}"


def whereabouts(owner: str) -> Literal["here", "elsewhere", "ended"]:
    """Return whether an owner lives on this host, is of another one, or has ended."""
    host, pid, began = owner.rsplit("/", 2)
    if host != socket.gethostname():
        return "elsewhere"
    # A number of a process is used again, after a restart of a container soon.
    return "here" if _began(int(pid)) == began else "ended"


def _began(pid: int) -> str:
    """Return when a process began, in ticks since the start of the system; "-" if it is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "-" if fields[0] in "ZX" else fields[19]
    except OSError:
        return _alive(pid)


def _alive(pid: int) -> str:
    """Return "?" for a process where the system does not say when it began."""
    if Path("/proc/self/stat").exists():
        return "-"
    try:
        os.kill(pid, 0)
    except OSError:
        return "-"
    return "?"
