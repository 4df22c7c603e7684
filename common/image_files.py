"""Image files in folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp"),
        *(".tif", ".tiff", ".avif", ".avifs", ".heic", ".heics", ".heif", ".heifs", ".hif"),
    }
)
"""Of the formats in `backbone.decode.FORMATS`, which takes seconds to import."""

JUNK = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})
"""Folders that archives and systems add and nobody means; what they hold is no one's photo."""


def is_junk(name: str) -> bool:
    """Return whether a file or folder of this name is hidden, or a system's own."""
    return name.startswith(".") or name in JUNK


def images_below(folder: Path) -> list[Path]:
    """Return the image files at any depth, in the order of their names.

    They are known by their suffix, which is one of the formats that a server reads.
    """
    return sorted(file for file in _visible_files(folder) if file.suffix.lower() in SUFFIXES)


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, without junk, in the order of their names."""
    return sorted(child for child in folder.iterdir() if child.is_dir() and not is_junk(child.name))


def _visible_files(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        if file.is_file() and not any(map(is_junk, file.relative_to(folder).parts)):
            yield file
