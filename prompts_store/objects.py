"""Create-only objects in a folder, a bucket or memory.

obstore reads and lists everywhere, and creates everywhere except in a local folder.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, GenericError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from . import durable
from .errors import StoreError, StoreUnavailable

_ABSOLUTE_PATH = re.compile(r"""(?<![\w:/.])/(?:[^\s"':,]+/)+([^\s"':,/]+)""")
_REMOTE = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")


class Objects:
    """Create-only objects by path. Creating is atomic, and durable before it returns."""

    def __init__(self, store: ObjectStore, folder: durable.Folder | None = None) -> None:
        """Use `folder`, the local root of `store`, for writing: obstore does not sync its files."""
        self._store = store
        self._folder = folder

    def create(self, path: str, data: bytes) -> None:
        """Write a new object; raise FileExistsError when the path is taken."""
        with _translated(path):
            try:
                self._create(path, data)
            except FileNotFoundError as error:  # the store's own folder is gone
                raise StoreUnavailable(f"storage of '{path}': {error}") from error

    def _create(self, path: str, data: bytes) -> None:
        if self._folder is not None:
            self._folder.create(path, data)
        else:
            # Not in parts: a multipart upload ignores the create mode.
            obstore.put(self._store, path, data, mode="create", use_multipart=False)

    def read(self, path: str, length: int | None = None) -> bytes:
        """Return the bytes of an object, or only its first `length`.

        Raises:
            FileNotFoundError: there is no such object.
        """
        with _translated(path):
            if length is not None:
                return self._read_start(path, length)
            return obstore.get(self._store, path).bytes().to_bytes()

    def _read_start(self, path: str, length: int) -> bytes:
        try:
            return obstore.get_range(self._store, path, start=0, length=length).to_bytes()
        except GenericError:
            # An empty object has no byte 0, so storages refuse every range of it (S3 with status
            # 416). That is no fault of the storage; the reader finds an object that is too short.
            if obstore.head(self._store, path)["size"] == 0:
                return b""
            raise

    def probe(self) -> None:
        """Raise StoreUnavailable when the storage cannot be listed; read one page at most."""
        with _translated("/"):
            next(iter(obstore.list(self._store, chunk_size=1)), None)

    def paths(self, prefix: str | None = None) -> list[str]:
        """Return the paths of all objects under the folder `prefix`, in no particular order."""
        found: list[str] = []
        with _translated(prefix or "/"):
            # By chunks: converting tens of thousands of entries at once would block every thread.
            for chunk in obstore.list(self._store, prefix, chunk_size=1000):
                found += [meta["path"] for meta in chunk]
        return found


def open_objects(location: str | Path, **options: Any) -> Objects:
    """Open a folder, "memory:", or an s3://, gs:// or az:// URL.

    `options` are passed to obstore (endpoint, region, …).
    """
    scheme = urlsplit(str(location)).scheme
    if scheme in _REMOTE:
        with _translated(str(location)):
            return Objects(from_url(str(location), **options))
    if options:
        raise StoreError(
            f"store options: expected none for '{location}', found {', '.join(sorted(options))}"
        )
    if str(location) == "memory:":
        return Objects(MemoryStore())
    if scheme == "file":
        return _open_folder(Path(unquote(urlsplit(str(location)).path)))
    if "://" in str(location):
        raise StoreError(
            f"store: expected a folder, memory:, s3://, gs:// or az://, found '{location}'"
        )
    return _open_folder(Path(location))


def _open_folder(path: Path) -> Objects:
    root = path.expanduser().resolve()
    try:
        folder = durable.Folder(root)
    except OSError as error:
        raise StoreUnavailable(f"storage of '{root}': {error}") from error
    return Objects(LocalStore(root), folder)


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Turn the storage's errors into ours, except the two that say whether an object exists."""
    try:
        yield
    except AlreadyExistsError:
        raise FileExistsError(path) from None
    except (FileExistsError, FileNotFoundError):
        raise
    except (BaseError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        # Clients read it, and where the store lies is not theirs to know.
        reason = _ABSOLUTE_PATH.sub("…/\\1", reason)
        raise StoreUnavailable(f"storage of '{path}': {reason}") from error
