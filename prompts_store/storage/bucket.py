"""Objects in a bucket or in memory, through obstore."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, GenericError, InvalidPathError
from obstore.store import ObjectStore

from facet_vision.prompts_store.errors import StoreFull, StoreUnavailable
from facet_vision.prompts_store.keys import Key, Kind, Stored, is_partial, parse_key
from facet_vision.prompts_store.names import is_task_name

from .foreign import ForeignEntries

_PAGE = 1000
_PARALLEL_LISTS = 16
# Every object of ours follows it, as a task's name starts with a letter or digit. Keys that start
# with "/", "." or a control character lie before it, and a page with such a key cannot be listed.
_FIRST = "0"
# What storages answer when there is no room: HTTP, MinIO, Ceph.
_FULL = re.compile(
    "507 Insufficient Storage|XMinioStorageFull|XMinioAdminBucketQuotaExceeded|<Code>QuotaExceeded"
)


class Bucket:
    """Create-only objects by path; see `objects.Objects`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._foreign = ForeignEntries()

    def create(self, path: str, data: bytes, *, urgent: bool = False) -> None:  # noqa: ARG002
        """Write a new object; raise FileExistsError when the path is taken."""
        with translated(path):
            # Not in parts: a multipart upload ignores the create mode.
            obstore.put(self._store, path, data, mode="create", use_multipart=False)

    def read(self, path: str, length: int | None = None) -> bytes:
        """Return the bytes of an object, or only its first `length`; raise FileNotFoundError."""
        with translated(path):
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

    def delete(self, path: str) -> None:
        """Remove an object; nothing happens if there is none."""
        with translated(path), suppress(FileNotFoundError):
            obstore.delete(self._store, path)

    def keys(self, kind: Kind, task: str | None = None) -> list[Key]:
        """Return the keys of all versions or events, of one task or of all, in no order."""
        with translated(task or "/"):
            paths = self._all(kind) if task is None else self._list(f"{task}/{kind}")
            keys = []
            for path in paths:
                key = parse_key(path)
                if key is None:
                    self._foreign.skip(path, "it is no object of the store")
                elif key.kind == kind:
                    keys.append(key)
            return keys

    def _all(self, kind: Kind) -> list[str]:
        """Return the paths of the whole bucket; after a key without a legal path, those of ours."""
        try:
            return self._list(None)
        except InvalidPathError as error:
            # One such key, "flowers//x" for example, spoils the page that it is on.
            self._foreign.skip(str(error).splitlines()[0], "its key is no legal path")
        folders = obstore.list_with_delimiter(self._store)["common_prefixes"]
        tasks = [folder for folder in folders if is_task_name(folder)]
        with ThreadPoolExecutor(_PARALLEL_LISTS) as pool:
            found = pool.map(lambda task: self._list(f"{task}/{kind}"), tasks)
            return [path for paths in found for path in paths]

    def _list(self, prefix: str | None) -> list[str]:
        # By chunks: converting tens of thousands of entries at once would block every thread.
        offset = None if prefix else _FIRST
        pages = obstore.list(self._store, prefix, offset=offset, chunk_size=_PAGE)
        return [meta["path"] for page in pages for meta in page]

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects and folders directly in a folder, in no order."""
        with translated(folder):
            found = obstore.list_with_delimiter(self._store, folder)
            paths = [*found["common_prefixes"], *(meta["path"] for meta in found["objects"])]
            return [path.rpartition("/")[2] for path in paths]

    def remove(self, folder: str) -> None:
        """Remove a folder with all that is in it; nothing happens if there is none."""
        with translated(folder):
            while paths := self._list(folder):
                obstore.delete(self._store, paths)

    def describe(self, path: str) -> Stored:
        """Return what is known of an object; raise FileNotFoundError."""
        with translated(path):
            found = obstore.head(self._store, path)
            return Stored(path, found["size"], found["last_modified"].timestamp())

    def temporary(self) -> list[Stored]:
        """Return what programs that copy left; an object of ours appears when it is complete."""
        with translated("/"):
            kinds: tuple[Kind, ...] = ("versions", "events")
            paths = {path for kind in kinds for path in self._all(kind) if is_partial(path)}
            return [self.describe(path) for path in sorted(paths)]

    def probe(self) -> None:
        """Raise StoreUnavailable when the storage cannot be listed; read one page at most."""
        with translated("/"), suppress(InvalidPathError):
            next(iter(obstore.list(self._store, chunk_size=1)), None)


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn obstore's errors into ours, except the two that say whether an object exists."""
    try:
        yield
    except AlreadyExistsError:
        raise FileExistsError(path) from None
    except (FileExistsError, FileNotFoundError):
        raise
    except (BaseError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if _FULL.search(str(error)):
            raise StoreFull(
                f"storage of '{path}': expected room, found it full: {reason}"
            ) from error
        raise StoreUnavailable(f"storage of '{path}': {reason}") from error
