"""A tree of objects beside the tasks, for what a server keeps in the store and no task is.

    .trainings/<id>/events/000001.json

Its name starts with a dot, which no name of a task does, so no listing of tasks sees it. Objects
are created once and never rewritten, as all in a store.
"""

import re

from .objects import Objects

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Tree:
    """Objects under one folder of a store's root, by paths from there.

    Args:
        objects: of the store.
        root: name of the folder.
    """

    def __init__(self, objects: Objects, root: str) -> None:
        self._objects = objects
        self._root = root

    def create(self, path: str, data: bytes, *, urgent: bool = False) -> None:
        """Write a new object; see `Objects.create`."""
        self._objects.create(self._path(path), data, urgent=urgent)

    def read(self, path: str) -> bytes:
        """Return the bytes of an object; raise FileNotFoundError."""
        return self._objects.read(self._path(path))

    def delete(self, path: str) -> None:
        """Remove an object; nothing happens if there is none."""
        self._objects.delete(self._path(path))

    def names(self, folder: str = "") -> list[str]:
        """Return the names of the objects and folders directly in a folder, in no order."""
        return self._objects.names(self._path(folder) if folder else self._root)

    def remove(self, folder: str) -> None:
        """Remove a folder with all that is in it; nothing happens if there is none."""
        self._objects.remove(self._path(folder))

    def _path(self, path: str) -> str:
        # The server makes all paths itself; that no other is asked for is cheap to see to.
        assert all(_NAME.fullmatch(part) for part in path.split("/")), path
        return f"{self._root}/{path}"
