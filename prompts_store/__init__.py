"""The task file and the store of its versions.

Names are imported on first use, so that the store works without loading torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prompts_store.errors import (
        DamagedObject,
        InvalidManifest,
        InvalidTaskName,
        InvalidTensors,
        NotATaskFile,
        StoreConflict,
        StoreError,
        StoreUnavailable,
        TaskFileError,
        TaskNotFound,
        TaskNotLive,
        VersionNotFound,
        WrongBackbone,
    )
    from prompts_store.events import Event, TaskState, Version
    from prompts_store.fits import BackboneFacts
    from prompts_store.head import Head
    from prompts_store.header import MAX_FILE_BYTES
    from prompts_store.manifest import Manifest
    from prompts_store.names import check_task_name
    from prompts_store.preview import Preview
    from prompts_store.store import Store, open_store
    from prompts_store.taskfile import TaskFile

_HOMES = {
    "BackboneFacts": "fits",
    "DamagedObject": "errors",
    "Event": "events",
    "Head": "head",
    "InvalidManifest": "errors",
    "InvalidTaskName": "errors",
    "InvalidTensors": "errors",
    "MAX_FILE_BYTES": "header",
    "Manifest": "manifest",
    "NotATaskFile": "errors",
    "Preview": "preview",
    "Store": "store",
    "StoreConflict": "errors",
    "StoreError": "errors",
    "StoreUnavailable": "errors",
    "TaskFile": "taskfile",
    "TaskFileError": "errors",
    "TaskNotFound": "errors",
    "TaskNotLive": "errors",
    "TaskState": "events",
    "Version": "events",
    "VersionNotFound": "errors",
    "WrongBackbone": "errors",
    "check_task_name": "names",
    "open_store": "store",
}

__all__ = [
    "MAX_FILE_BYTES",
    "BackboneFacts",
    "DamagedObject",
    "Event",
    "Head",
    "InvalidManifest",
    "InvalidTaskName",
    "InvalidTensors",
    "Manifest",
    "NotATaskFile",
    "Preview",
    "Store",
    "StoreConflict",
    "StoreError",
    "StoreUnavailable",
    "TaskFile",
    "TaskFileError",
    "TaskNotFound",
    "TaskNotLive",
    "TaskState",
    "Version",
    "VersionNotFound",
    "WrongBackbone",
    "check_task_name",
    "open_store",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'prompts_store' has no attribute '{name}'")
    return getattr(import_module(f"prompts_store.{_HOMES[name]}"), name)
