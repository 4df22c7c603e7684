"""The task file and the store of its versions.

* `taskfile`: one version in memory; `manifest`, `head`, `confidence` and `layout` are its parts,
  `header` reads a file before its tensors are believed, `preview` is the header alone.
* `store`: durable versions and events; it caches only events, which never change. `keys` says which
  objects are its own, `storage` has the folder or bucket that they are in, and `durable` writes
  files that survive a power cut.
* `prune`: finds and removes what uploads that were cut off have left, and old versions.
* `events`: the state of a task as the sum of its events.
* `instant`: heads that are made of examples, which may come and go.
* `samples`: a few images in the file, to look at.
* `builtin`: the demo tasks that ship with the package.

The room knows tensors and manifests, not networks. Names are imported on first use, so that the
store works without loading torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .confidence.distance import Distance
    from .errors import (
        DamagedObject,
        ExamplesError,
        InvalidExample,
        InvalidManifest,
        InvalidTaskName,
        InvalidTensors,
        LastExample,
        NotATaskFile,
        NotInstant,
        StoreConflict,
        StoreError,
        StoreFull,
        StoreUnavailable,
        TaskFileError,
        TaskNotFound,
        TaskNotLive,
        TooManyExamples,
        UnknownExample,
        VersionDeleted,
        VersionLive,
        VersionNotFound,
        WrongBackbone,
    )
    from .events import Event, TaskState, Version
    from .fits import BackboneFacts
    from .head import Classifier, Head
    from .header import MAX_FILE_BYTES
    from .instant.head import InstantHead
    from .manifest import Identity, Manifest
    from .names import check_task_name
    from .preview import Preview
    from .store import Store, open_store
    from .taskfile import TaskFile

_HOMES = {
    "BackboneFacts": "fits",
    "Classifier": "head",
    "DamagedObject": "errors",
    "Distance": "confidence.distance",
    "Event": "events",
    "ExamplesError": "errors",
    "Head": "head",
    "Identity": "manifest",
    "InstantHead": "instant.head",
    "InvalidExample": "errors",
    "InvalidManifest": "errors",
    "InvalidTaskName": "errors",
    "InvalidTensors": "errors",
    "LastExample": "errors",
    "MAX_FILE_BYTES": "header",
    "Manifest": "manifest",
    "NotATaskFile": "errors",
    "NotInstant": "errors",
    "Preview": "preview",
    "Store": "store",
    "StoreConflict": "errors",
    "StoreError": "errors",
    "StoreFull": "errors",
    "StoreUnavailable": "errors",
    "TaskFile": "taskfile",
    "TaskFileError": "errors",
    "TaskNotFound": "errors",
    "TaskNotLive": "errors",
    "TaskState": "events",
    "TooManyExamples": "errors",
    "UnknownExample": "errors",
    "Version": "events",
    "VersionDeleted": "errors",
    "VersionLive": "errors",
    "VersionNotFound": "errors",
    "WrongBackbone": "errors",
    "check_task_name": "names",
    "open_store": "store",
}

__all__ = [
    "MAX_FILE_BYTES",
    "BackboneFacts",
    "Classifier",
    "DamagedObject",
    "Distance",
    "Event",
    "ExamplesError",
    "Head",
    "Identity",
    "InstantHead",
    "InvalidExample",
    "InvalidManifest",
    "InvalidTaskName",
    "InvalidTensors",
    "LastExample",
    "Manifest",
    "NotATaskFile",
    "NotInstant",
    "Preview",
    "Store",
    "StoreConflict",
    "StoreError",
    "StoreFull",
    "StoreUnavailable",
    "TaskFile",
    "TaskFileError",
    "TaskNotFound",
    "TaskNotLive",
    "TaskState",
    "TooManyExamples",
    "UnknownExample",
    "Version",
    "VersionDeleted",
    "VersionLive",
    "VersionNotFound",
    "WrongBackbone",
    "check_task_name",
    "open_store",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
