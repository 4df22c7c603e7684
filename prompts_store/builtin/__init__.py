"""The demo tasks that ship with Facet, their sample images, and their publication.

`<task>.safetensors` beside this module is a task; `samples/<task>/` holds a few images for it.
Every function takes a `folder` to read in place of this one, for tests.
"""

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable

from facet_vision.prompts_store.errors import TaskNotFound, WrongBackbone
from facet_vision.prompts_store.fits import BackboneFacts
from facet_vision.prompts_store.store import Store
from facet_vision.prompts_store.taskfile import TaskFile

BY = "builtin"
_SUFFIX = ".safetensors"


def names(folder: Traversable | None = None) -> list[str]:
    """Return the names of the builtin tasks, sorted."""
    entries = (entry.name for entry in _folder(folder).iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in entries if name.endswith(_SUFFIX))


def read(name: str, folder: Traversable | None = None) -> bytes:
    """Return the task file of a builtin task; raise TaskNotFound."""
    if name not in names(folder):
        raise TaskNotFound(
            f"builtin task: expected one of {', '.join(names(folder)) or 'none'}, found '{name}'"
        )
    return _folder(folder).joinpath(name + _SUFFIX).read_bytes()


def samples(name: str, folder: Traversable | None = None) -> list[Traversable]:
    """Return the sample images of a builtin task, sorted by file name; empty where it has none."""
    home = _folder(folder).joinpath("samples", name)
    return sorted(home.iterdir(), key=lambda image: image.name) if home.is_dir() else []


def seed(store: Store, facts: BackboneFacts, folder: Traversable | None = None) -> list[str]:
    """Publish and activate every builtin task that fits the backbone.

    An existing task follows the shipped file only while nobody else has touched it: once somebody
    publishes, activates or retires a version of their own, the task is theirs.

    Returns:
        The names of tasks that have a new live version.
    """
    return [name for name in names(folder) if _seed_one(store, facts, read(name, folder))]


def _seed_one(store: Store, facts: BackboneFacts, data: bytes) -> bool:
    file = TaskFile.from_bytes(data)
    task = file.manifest.task
    try:
        file.check_fits(facts)
    except WrongBackbone:
        return False
    known, live, ours = _history(store, task)
    if not ours:
        return False
    # A known version need not be live: an earlier release shipped it, or a crash came between its
    # publication and its activation.
    number = known.get(hashlib.sha256(data).hexdigest())
    if number is None:
        number = store.publish(task, data, by=BY).number
    elif number == live:
        return False
    store.activate(task, number, by=BY)
    return True


def _history(store: Store, task: str) -> tuple[dict[str, int], int | None, bool]:
    """Return version numbers by sha256, the live one, and whether all of the history is ours."""
    try:
        state = store.state(task)
    except TaskNotFound:
        return {}, None, True
    known = {version.sha256: version.number for version in state.versions}
    return known, state.live, all(event.by == BY for event in state.events)


def _folder(folder: Traversable | None) -> Traversable:
    return folder if folder is not None else files(__name__)
