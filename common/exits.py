"""The exit codes of the `facet` command; docs/cli.md describes them to users."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    """The command line is wrong; nothing was begun. Also the code of an unknown option."""
    NO_SERVER = 3
    """No server answers at the address."""
    PARTIAL = 4
    """A part of the work is done and reported, a part of it failed."""
