"""Where keys are kept: one file, or a variable."""

import logging
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from facet_vision.common.flags import first_fault
from facet_vision.prompts_store.durable import sync_folder, write_new

from .key import KeyFile

try:
    import fcntl
except ImportError:  # not on Windows, where two changes at once may lose one
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger("facet.service")

OTHERS = stat.S_IRWXO | stat.S_IWGRP
"""Permissions that nobody but the owner, or a reading group, needs."""

Stamp = tuple[int, int, int]
"""Identity of a file's content, as far as can be told without reading it."""


class KeysError(ValueError):
    """Keys that cannot be read or written; the message is one sentence."""


def parse(data: str | bytes, where: str) -> KeyFile:
    """Read the JSON of keys.

    Args:
        data: the JSON.
        where: the name of its place, for the message of an error.

    Raises:
        KeysError: it is not what it should be. The message quotes nothing of it.
    """
    try:
        return KeyFile.model_validate_json(data)
    except ValidationError as error:
        # Somebody may have put a secret in the place of its hash, so no value may be shown.
        fault = first_fault(error).rpartition(", found ")[0]
        raise KeysError(
            f"{where}: expected keys as facet keys writes them, found {fault}"
        ) from None


def read(path: Path) -> KeyFile:
    """Read a file of keys.

    Raises:
        KeysError: it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise KeysError(f"{path}: expected a file of keys, found {error.strerror}") from None
    return parse(data, str(path))


def stamp(path: Path) -> Stamp | None:
    """Return what changes whenever the file does; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def warn_of_permissions(path: Path) -> None:
    """Log a line if others than the file's owner can write it, or everybody can read it."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if mode & OTHERS:
        logger.warning(
            "%s: expected a file that others can neither read nor write (chmod 600), found mode %o",
            path,
            mode,
        )


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Keep others out of a file of keys, so that no change of theirs is lost.

    Raises:
        KeysError: the file's folder cannot be had.
    """
    try:
        folder = os.open(path.resolve().parent, os.O_RDONLY)
    except OSError as error:
        raise KeysError(
            f"{path}: expected a folder to write it in, found {error.strerror}"
        ) from None
    try:
        if fcntl is not None:
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def write(path: Path, keys: KeyFile) -> None:
    """Write a file of keys, at once and durably, in place of the one that was there.

    Owner and permissions stay; those of a new file let only its owner read it.

    Raises:
        KeysError: it cannot be written.
    """
    path = path.resolve()  # a link stays one
    staged = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    data = keys.model_dump_json(indent=2, exclude_none=True).encode() + b"\n"
    try:
        before = path.stat() if path.exists() else None
        write_new(staged, data, mode=0o600)
        if before is not None:
            os.chmod(staged, stat.S_IMODE(before.st_mode))
            if (before.st_uid, before.st_gid) != (os.getuid(), os.getgid()):
                os.chown(staged, before.st_uid, before.st_gid)
        staged.replace(path)
        sync_folder(path.parent, os.fsync)
    except OSError as error:
        raise KeysError(
            f"{path}: expected a file to write keys to, found {error.strerror}"
        ) from None
    finally:
        staged.unlink(missing_ok=True)
