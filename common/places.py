"""Places that a command writes to, checked before the work."""

from pathlib import Path

from .errors import UsageError


def check_out(path: Path) -> None:
    """Check that a file can be made at a path.

    Raises:
        UsageError: it is a folder, or there is no folder for it.
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"out: expected a file name in a folder that exists, found {path}")
