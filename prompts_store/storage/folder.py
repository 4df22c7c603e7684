"""Objects in a local folder, durable and without following links.

Bytes reach the disk before the name does, and the name before the call returns. Each folder on the
way to an object is opened by its name in the one above it, and a link in its place is refused; so
whatever lies in the folder, nothing outside of it is read, written or removed.
"""

import contextlib
import errno
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from facet_vision.prompts_store.durable import Sync, make_folder, write_new
from facet_vision.prompts_store.errors import StoreError, StoreFull, StoreUnavailable
from facet_vision.prompts_store.keys import BESIDE, Key, Kind, Stored, is_partial, parse_key
from facet_vision.prompts_store.names import is_task_name

from .foreign import ForeignEntries
from .reserve import RESERVE, Reserve

STAGING = ".staging"
STALE_SECONDS = 3600.0

_OPEN_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_FOLDER = _OPEN_ROOT | os.O_NOFOLLOW
# Without waiting: a named pipe would hold the reader until somebody writes to it.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FULL = (errno.ENOSPC, errno.EDQUOT)
_URGENT_TRIES, _URGENT_PAUSE = 50, 0.02
_NO_FOLDER = (errno.ENOTDIR, errno.ELOOP)


class Folder:
    """Create-only objects by path; see `objects.Objects`."""

    def __init__(self, root: Path, sync: Sync = os.fsync, *, tidy: bool = True) -> None:
        """Open a folder.

        Args:
            root: where it is.
            sync: writes a file or folder to the disk.
            tidy: create it if need be, make its reserve, and remove what crashed writers left.

        Raises:
            StoreError: it is no store, and not to become one.
        """
        self.root = root
        self._sync = sync
        self._foreign = ForeignEntries()
        # Folders whose own name is known to be on the disk. It is not enough to sync those that
        # this process creates: another one may have created a folder a moment ago and not synced
        # it yet.
        self._synced_names: set[tuple[str, ...]] = set()
        self._reserve = Reserve(root, root / STAGING, sync)
        if tidy:
            make_folder(root / STAGING, sync)
            clean_staging(root, time.time())
            self._reserve.try_fill()
        elif not (root / STAGING).is_dir():
            raise StoreError(f"store: expected a folder that holds one, found '{root}'")

    def create(self, path: str, data: bytes, *, urgent: bool = False) -> None:
        """Write a new object; raise FileExistsError when the path is taken."""
        with _translated(path):
            try:
                if urgent:
                    self._create_urgent(path, data)
                else:
                    self._reserve.fill()  # before the data, which must not take its room
                    self._create(path, data)
            except FileNotFoundError as error:  # the store's own folder is gone
                raise StoreUnavailable(f"storage of '{path}': {_reason(error)}") from error

    def _create_urgent(self, path: str, data: bytes) -> None:
        for tries_left in reversed(range(_URGENT_TRIES)):
            try:
                self._create(path, data)
                break
            except OSError as error:
                if error.errno not in _FULL or not tries_left:
                    raise
                # A large file that is being written may take this room as well. It finds the disk
                # full then, and leaves all that it took.
                self._reserve.release()
                if tries_left < _URGENT_TRIES - 1:
                    time.sleep(_URGENT_PAUSE)
        self._reserve.try_fill()

    def _create(self, path: str, data: bytes) -> None:
        """Write, sync, and link to the final name.

        A file with a final name is so complete even after a crash. A link, unlike a rename, fails
        where the name is taken.
        """
        *folders, name = path.split("/")
        staged = secrets.token_hex(16)
        with self._open(STAGING) as staging:
            try:
                write_new(staged, data, self._sync, staging)
                with self._make(folders) as opened:
                    self._link(staged, staging, name, opened[-1])
                    self._sync_names(tuple(folders), opened)
            finally:
                _unlink(staged, staging)

    def _link(self, staged: str, staging: int, name: str, folder: int) -> None:
        try:
            os.link(staged, name, src_dir_fd=staging, dst_dir_fd=folder)
        except FileExistsError:
            kind = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            if not stat.S_ISREG(kind):
                # Nobody will ever write this object: the next number is no way out.
                raise StoreUnavailable(
                    f"storage of '{name}': expected a free name, found {_kind(kind)}"
                ) from None
            raise
        self._sync(folder)

    def _sync_names(self, folders: tuple[str, ...], opened: list[int]) -> None:
        """Sync the names of the folders from the last up to the root, each once per process."""
        for depth in range(len(folders), 0, -1):
            if folders[:depth] not in self._synced_names:
                self._sync(opened[depth - 1])
                self._synced_names.add(folders[:depth])

    @contextmanager
    def _make(self, folders: list[str]) -> Iterator[list[int]]:
        """Open a folder, created if need be: descriptors of the root and of all on the way."""
        with ExitStack() as stack:
            opened = [stack.enter_context(self._open())]
            for depth, name in enumerate(folders, 1):
                try:
                    os.mkdir(name, dir_fd=opened[-1])
                    self._synced_names.discard(tuple(folders[:depth]))
                except FileExistsError:
                    pass
                opened.append(stack.enter_context(_folder(name, opened[-1])))
            yield opened

    def read(self, path: str, length: int | None = None) -> bytes:
        """Return the bytes of an object, or only its first `length`; raise FileNotFoundError."""
        with _translated(path), self._file(path) as file, os.fdopen(os.dup(file), "rb") as opened:
            return opened.read() if length is None else opened.read(length)

    def describe(self, path: str) -> Stored:
        """Return what is known of an object; raise FileNotFoundError."""
        with _translated(path), self._file(path) as file:
            found = os.fstat(file)
            return Stored(path, found.st_size, found.st_mtime)

    @contextmanager
    def _file(self, path: str) -> Iterator[int]:
        """Open an object; a link, a pipe or a folder in its place is none."""
        *folders, name = path.split("/")
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(self._open(*folders))
                file = os.open(name, _OPEN_FILE, dir_fd=folder)
                stack.callback(os.close, file)
            except OSError as error:
                if error.errno not in (*_NO_FOLDER, errno.ENXIO):
                    raise
                self._foreign.skip(path, "it is no file, or behind a link")
                raise FileNotFoundError(path) from None
            if not stat.S_ISREG(os.fstat(file).st_mode):
                self._foreign.skip(path, f"it is {_kind(os.fstat(file).st_mode)}")
                raise FileNotFoundError(path)
            yield file

    def delete(self, path: str) -> None:
        """Remove an object; nothing happens if there is none."""
        *folders, name = path.split("/")
        with _translated(path):
            with contextlib.suppress(FileNotFoundError), self._open(*folders) as folder:
                os.unlink(name, dir_fd=folder)
                self._sync(folder)
            self._reserve.try_fill()

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects and folders directly in a folder, in no order."""
        with _translated(folder):
            try:
                with self._open(*folder.split("/")) as opened:
                    return os.listdir(opened)
            except FileNotFoundError:
                return []

    def remove(self, folder: str) -> None:
        """Remove a folder with all that is in it; nothing happens if there is none."""
        *above, name = folder.split("/")
        with _translated(folder):
            with contextlib.suppress(FileNotFoundError), self._open(*above) as opened:
                shutil.rmtree(name, dir_fd=opened)  # it follows no link
                self._sync(opened)
            known = tuple(folder.split("/"))
            self._synced_names = {
                each for each in self._synced_names if each[: len(known)] != known
            }
            self._reserve.try_fill()

    def keys(self, kind: Kind, task: str | None = None) -> list[Key]:
        """Return the keys of all versions or events, of one task or of all, in no order."""
        with _translated(task or "/"):
            if task is not None:
                return self._keys_of(kind, task)
            keys: list[Key] = []
            for name in self._tasks():
                try:
                    keys += self._keys_of(kind, name)
                except OSError as error:  # one folder that cannot be read is not the store
                    self._foreign.skip(f"{name}/{kind}", _reason(error))
            return keys

    def _tasks(self) -> list[str]:
        with self._open() as root:
            return self._names(root, "", _is_folder, is_task_name)

    def _keys_of(self, kind: Kind, task: str) -> list[Key]:
        prefix = f"{task}/{kind}/"

        def is_ours(name: str) -> bool:
            return parse_key(prefix + name) is not None

        try:
            with self._open(task, kind) as folder:
                names = self._names(folder, prefix, _is_file, is_ours)
        except FileNotFoundError:
            return []
        except OSError as error:
            if error.errno not in _NO_FOLDER:
                raise
            self._foreign.skip(prefix, "it is no folder, or behind a link")
            return []
        return [key for name in names if (key := parse_key(prefix + name))]

    def _names(
        self,
        folder: int,
        prefix: str,
        is_kind: Callable[["os.DirEntry[str]"], bool],
        is_ours: Callable[[str], bool],
    ) -> list[str]:
        """Return the names of a folder that may be ours; say what others there are."""
        names = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if not is_ours(entry.name):
                    if entry.name not in (STAGING, RESERVE, *BESIDE):
                        self._foreign.skip(prefix + entry.name, "it is no object of the store")
                elif not is_kind(entry):
                    self._foreign.skip(prefix + entry.name, "it is a link, or of another kind")
                else:
                    names.append(entry.name)
        return names

    def temporary(self) -> list[Stored]:
        """Return what writers have under way, or left when they crashed."""
        with _translated(STAGING):
            found = self._files_in(STAGING)
            for task in self._tasks():
                for kind in ("versions", "events"):
                    with contextlib.suppress(OSError):  # a listing says what it cannot read
                        files = self._files_in(task, kind)
                        found += [file for file in files if is_partial(file.path)]
            return found

    def _files_in(self, *folders: str) -> list[Stored]:
        found = []
        with self._open(*folders) as folder, os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    known = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(known.st_mode):
                        path = "/".join((*folders, entry.name))
                        found.append(Stored(path, known.st_size, known.st_mtime))
        return found

    def probe(self) -> None:
        """Raise StoreUnavailable when the folder cannot be listed."""
        with _translated("/"), self._open() as root, os.scandir(root) as entries:
            next(entries, None)

    @contextmanager
    def _open(self, *names: str) -> Iterator[int]:
        """Open the root, or a folder by the names that lead to it from there."""
        with ExitStack() as stack:
            try:
                opened = os.open(self.root, _OPEN_ROOT)
            except FileNotFoundError as error:  # it holds nothing, but it is not an empty store
                raise StoreUnavailable(f"storage of '/': {_reason(error)}") from error
            stack.callback(os.close, opened)
            for name in names:
                opened = stack.enter_context(_folder(name, opened))
            yield opened


def clean_staging(root: Path, now: float) -> None:
    """Remove staged files that are at least STALE_SECONDS old at `now` (seconds since 1970)."""
    for staged in (root / STAGING).iterdir():
        # Another process may be cleaning, or finishing its own write, at this moment.
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            if staged.lstat().st_mtime <= now - STALE_SECONDS:
                staged.unlink()


@contextmanager
def _folder(name: str, parent: int) -> Iterator[int]:
    opened = os.open(name, _OPEN_FOLDER, dir_fd=parent)
    try:
        yield opened
    finally:
        os.close(opened)


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Turn the system's errors into ours, except the two that say whether an object exists."""
    try:
        yield
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFull(f"storage of '{path}': expected room, found the disk full") from error
        raise StoreUnavailable(f"storage of '{path}': {_reason(error)}") from error


def _unlink(name: str, folder: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    return entry.is_dir(follow_symlinks=False)


def _is_file(entry: "os.DirEntry[str]") -> bool:
    return entry.is_file(follow_symlinks=False)


def _kind(mode: int) -> str:
    """Name what is in the place of a file."""
    return "a link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "no file"


def _reason(error: OSError) -> str:
    # Without the path, which is the server's own affair.
    if error.errno in _NO_FOLDER:
        return "expected a folder, found a link or a file"
    return error.strerror or str(error)
