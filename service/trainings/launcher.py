"""Runs a command at a priority, and ends it with the server that wants it.

    python launcher.py idle|normal COMMAND ...

Standard input is a pipe of which only the server has the other end. When the server ends, by
whatever cause, the pipe does; this process then kills its process group, which is the command's
as well. It stands alone: it is run by its path, and imports no more than it needs.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading


def lower_priority() -> None:
    """Leave the processor to whoever wants it."""
    # Within the server's session: where the scheduler groups by session, another one would have a
    # share of its own, whatever the priority.
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):
        with contextlib.suppress(OSError):
            os.nice(19)


def kill_when_the_server_ends() -> None:
    """Wait for the end of standard input."""
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Run the command of the arguments; end as it does."""
    os.setpgrp()
    priority, *command = sys.argv[1:]
    if priority == "idle":
        lower_priority()
    threading.Thread(target=kill_when_the_server_ends, daemon=True).start()
    code = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
