"""Trainings in the store: their events, images and task files.

    <id>/events/000007.json    an event
    <id>/images/<name>         the bytes of an image
    <id>/files/<name>          the task file of a run

An event is written on top of the exact state that it was checked against: its number is free only
for one writer. Images are written before the event that names them, so one that was acknowledged is
never lost. What is deleted loses its events last, so a removal that was cut off is taken up again.
"""

import logging
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from facet_vision.prompts_store import DamagedObject, StoreConflict
from facet_vision.prompts_store.storage.tree import Tree
from facet_vision.service.errors import UnknownTraining

from .record import AnyEvent, Created, Deleted, Training, after, fold, read_event

logger = logging.getLogger("facet.service")

_ID = re.compile(r"[0-9a-f]{16}")
_TRIES = 20
_PARALLEL_READS = 16


class TrainingLog:
    """Keeps trainings; every method blocks, and may be called from any thread.

    Args:
        tree: of the store, for trainings.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._known: dict[str, Training] = {}

    def create(self, event: Created) -> Training:
        """Create a training; it is durable when this returns."""
        id = secrets.token_hex(8)
        self._tree.create(_event(id, 1), _bytes(event))
        return self._keep(fold(id, [event]))

    def all(self) -> list[Training]:
        """Return all trainings as of now, in the order of their creation.

        One that cannot be read is left out, and said in the log.
        """
        ids = [name for name in self._tree.names() if _ID.fullmatch(name)]
        with ThreadPoolExecutor(_PARALLEL_READS, "trainings") as pool:
            found = [training for training in pool.map(self._find, ids) if training]
        for gone in self._known.keys() - {training.id for training in found}:
            self._known.pop(gone, None)
        return sorted(found, key=lambda training: (training.plan.at, training.id))

    def get(self, id: str) -> Training:
        """Return a training as of now.

        Raises:
            UnknownTraining: there is none with this id.
        """
        training = self._load(id) if _ID.fullmatch(id) else None
        if training is None or training.deleted:
            raise UnknownTraining(f"training '{id[:40]}': expected one of that id, found none")
        return training

    def append(self, id: str, event: Callable[[Training], AnyEvent]) -> Training:
        """Write the event that `event` derives from the newest state; return the state after it.

        Raises:
            UnknownTraining: there is no such training.
            Exception: what `event` raises.
        """
        for _ in range(_TRIES):
            training = self.get(id)
            made = event(training)
            try:
                urgent = isinstance(made, Deleted)
                self._tree.create(_event(id, training.head + 1), _bytes(made), urgent=urgent)
            except FileExistsError:
                continue  # another server was faster
            return self._keep(after(training, made))
        raise StoreConflict(
            f"training '{id}': expected to change it within {_TRIES} tries, found other servers "
            "changing it each time"
        )

    def write(self, id: str, folder: str, data: bytes) -> str:
        """Store an image or a task file under a new name, and return that."""
        name = secrets.token_hex(12)
        self._tree.create(f"{id}/{folder}/{name}", data)
        return name

    def read(self, id: str, folder: str, name: str) -> bytes:
        """Return the bytes of an image or a task file.

        Raises:
            DamagedObject: they are gone.
        """
        path = f"{id}/{folder}/{name}"
        try:
            return self._tree.read(path)
        except FileNotFoundError:
            raise DamagedObject(f"object '{path}': expected its bytes, found none") from None

    def discard(self, id: str, folder: str, name: str) -> None:
        """Remove an image or a task file that no event names any more."""
        self._tree.delete(f"{id}/{folder}/{name}")

    def remove(self, id: str) -> None:
        """Remove all that is left of a training that is deleted."""
        for folder in ("images", "files"):
            self._tree.remove(f"{id}/{folder}")
        self._tree.remove(id)
        self._known.pop(id, None)

    def remove_leftovers(self) -> None:
        """Take up removals that were cut off."""
        for id in self._tree.names():
            if _ID.fullmatch(id):
                training = self._find(id, quiet=True)
                gone = training.deleted if training else not self._begins(id)
                if gone:
                    self.remove(id)

    def _find(self, id: str, quiet: bool = False) -> Training | None:
        try:
            training = self._load(id)
        except DamagedObject as error:
            if not quiet:
                logger.warning("a training is left out: %s", error)
            return None
        return training if quiet or training is None or not training.deleted else None

    def _begins(self, id: str) -> bool:
        return "000001.json" in self._tree.names(f"{id}/events")

    def _load(self, id: str) -> Training | None:
        training = self._known.get(id)
        if training is None:
            first = self._read(id, 1)
            if first is None:
                return None
            training = fold(id, [first])
        while (event := self._read(id, training.head + 1)) is not None:
            training = after(training, event)
        return self._keep(training)

    def _read(self, id: str, number: int) -> AnyEvent | None:
        path = _event(id, number)
        try:
            return read_event(self._tree.read(path), path)
        except FileNotFoundError:
            return None

    def _keep(self, training: Training) -> Training:
        # Another thread may know a newer state meanwhile; that one stays.
        known = self._known.get(training.id)
        if known is None or known.head < training.head:
            self._known[training.id] = training
        return training


def _event(id: str, number: int) -> str:
    return f"{id}/events/{number:06}.json"


def _bytes(event: AnyEvent) -> bytes:
    return event.model_dump_json().encode()
