"""The package's public names, and that the store does without torch."""

import subprocess
import sys

import pytest

from facet_vision import prompts_store
from facet_vision.prompts_store import errors

NAMES = {
    *(
        "BackboneFacts",
        "Classifier",
        "Head",
        "InstantHead",
        "Distance",
        "Identity",
        "MAX_FILE_BYTES",
        "Manifest",
        "Preview",
        "TaskFile",
        "check_task_name",
    ),
    *("Event", "Store", "TaskState", "Version", "open_store"),
    *("StoreError", "InvalidTaskName", "TaskNotFound", "VersionNotFound", "TaskNotLive"),
    *("VersionDeleted", "VersionLive"),
    *("StoreConflict", "DamagedObject", "StoreUnavailable", "StoreFull"),
    *("TaskFileError", "NotATaskFile", "InvalidManifest", "InvalidTensors", "WrongBackbone"),
    *("ExamplesError", "InvalidExample", "UnknownExample", "TooManyExamples", "LastExample"),
    "NotInstant",
}


def test_public_names() -> None:
    assert set(prompts_store.__all__) == NAMES
    assert all(getattr(prompts_store, name) is not None for name in NAMES)


def test_unknown_names_are_errors() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = prompts_store.nothing


def test_every_error_is_documented_and_exported() -> None:
    tree = [value for value in vars(errors).values() if isinstance(value, type)]
    assert all(
        error.__name__ in NAMES and error.__name__ in (errors.__doc__ or "") for error in tree
    )
    roots = errors.StoreError | errors.TaskFileError | errors.ExamplesError
    assert all(issubclass(error, roots) for error in tree)


def test_the_store_does_not_load_torch() -> None:
    code = "import sys; from facet_vision import prompts_store; "
    code += "prompts_store.open_store('memory:'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
