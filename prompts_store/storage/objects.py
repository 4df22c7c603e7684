"""What the store asks of a storage, and opening one by its location."""

from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from obstore.store import MemoryStore, from_url

from facet_vision.prompts_store.errors import StoreError, StoreUnavailable
from facet_vision.prompts_store.keys import Key, Kind, Stored

from .bucket import Bucket, translated
from .folder import Folder

_REMOTE = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")


class Objects(Protocol):
    """Create-only objects by path. Creating is atomic, and durable before it returns.

    Every method raises StoreUnavailable when the storage fails.
    """

    def create(self, path: str, data: bytes, *, urgent: bool = False) -> None:
        """Write a new object.

        Args:
            path: where.
            data: its bytes.
            urgent: it may use the space that is kept for what frees space.

        Raises:
            FileExistsError: the path is taken.
            StoreFull: there is no room.
        """

    def read(self, path: str, length: int | None = None) -> bytes:
        """Return the bytes of an object, or only its first `length`.

        Raises:
            FileNotFoundError: there is no such object.
        """

    def delete(self, path: str) -> None:
        """Remove an object; nothing happens if there is none."""

    def keys(self, kind: Kind, task: str | None = None) -> list[Key]:
        """Return the keys of all versions or events, of one task or of all, in no order."""

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects and folders directly in a folder, in no order."""

    def remove(self, folder: str) -> None:
        """Remove a folder with all that is in it; nothing happens if there is none."""

    def describe(self, path: str) -> Stored:
        """Return what is known of an object; raise FileNotFoundError."""

    def temporary(self) -> list[Stored]:
        """Return files that are not complete: under way, or left by writers that crashed."""

    def probe(self) -> None:
        """Raise StoreUnavailable when the storage cannot be listed; the cost is one page."""


def open_objects(location: str | Path, *, tidy: bool = True, **options: Any) -> Objects:
    """Open a folder, "memory:", or an s3://, gs:// or az:// URL.

    Args:
        location: which.
        tidy: of a folder: create it if need be, and remove what crashed writers left in it.
        options: passed to obstore (endpoint, region, …).
    """
    scheme = urlsplit(str(location)).scheme
    if scheme in _REMOTE:
        with translated(str(location)):
            return Bucket(from_url(str(location), **options))
    if options:
        raise StoreError(
            f"store options: expected none for '{location}', found {', '.join(sorted(options))}"
        )
    if str(location) == "memory:":
        return Bucket(MemoryStore())
    if scheme == "file":
        return _open_folder(Path(unquote(urlsplit(str(location)).path)), tidy)
    if "://" in str(location):
        raise StoreError(
            f"store: expected a folder, memory:, s3://, gs:// or az://, found '{location}'"
        )
    return _open_folder(Path(location), tidy)


def _open_folder(path: Path, tidy: bool) -> Folder:
    root = path.expanduser().resolve()
    try:
        return Folder(root, tidy=tidy)
    except OSError as error:
        raise StoreUnavailable(f"storage of '{root}': {error}") from error
