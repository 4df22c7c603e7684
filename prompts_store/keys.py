"""The keys of a store's objects.

    <task>/versions/000003.safetensors    a task file
    <task>/events/000007.json             an entry of the task's history

Beside them lies what `BESIDE` names. Whatever else lies in the folder or bucket is foreign, and no
part of the store.
"""

import re
from typing import Literal, NamedTuple

from .names import is_task_name

Kind = Literal["versions", "events"]

TRAININGS = ".trainings"
WORK = ".work"
BESIDE = (TRAININGS, WORK)
"""What lies beside the tasks: a tree of objects, and in a folder the files of what runs there."""

_SUFFIXES: dict[str, str] = {"versions": ".safetensors", "events": ".json"}
_MIN_DIGITS, _MAX_DIGITS = 6, 9
# Of rsync (.NAME.Ab12Cd), of obstore (NAME#1), and of most that download.
_PARTIAL = re.compile(r"\.(?P<rsync>.+)\.\w{6}|(?P<name>.+?)(#\d+|\.part|\.partial|\.tmp)")


class Key(NamedTuple):
    """One object: the version or event of a task with a number."""

    task: str
    kind: Kind
    number: int

    @property
    def path(self) -> str:
        """Where the object lies, from the root of the store."""
        return f"{self.task}/{self.kind}/{self.number:0{_MIN_DIGITS}}{_SUFFIXES[self.kind]}"


class Stored(NamedTuple):
    """What a storage knows of an object: path, size in bytes, and seconds since 1970."""

    path: str
    size: int
    modified: float


def parse_key(path: str) -> Key | None:
    """Return the key whose path this is, None for any other path."""
    task, _, rest = path.partition("/")
    folder, _, name = rest.partition("/")
    for kind in ("versions", "events"):
        digits = name.removesuffix(_SUFFIXES[kind])
        if folder == kind and _is_number(digits) and is_task_name(task):
            key = Key(task, kind, int(digits))
            return key if key.number and key.path == path else None
    return None


def is_partial(path: str) -> bool:
    """Return whether a program that copies an object of ours to its place writes there first."""
    folder, _, name = path.rpartition("/")
    found = _PARTIAL.fullmatch(name)
    return (
        found is not None and parse_key(f"{folder}/{found['rsync'] or found['name']}") is not None
    )


def _is_number(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and _MIN_DIGITS <= len(digits) <= _MAX_DIGITS
