"""Errors of this room; each message is one sentence with the expected and the found value.

StoreError                the store
  InvalidTaskName         a name outside the rule (also a ValueError)
  TaskNotFound            no history under this name
  VersionNotFound         the task has no such version
    VersionDeleted        it had one, which was deleted
  VersionLive             deletion of the live version
  TaskNotLive             retire of a task that has no live version
  StoreConflict           too many lost races for one number
  DamagedObject           an object whose bytes are not what was published
  StoreUnavailable        the folder, bucket or network failed
    StoreFull             it has no room
TaskFileError             a task file (also a ValueError)
  NotATaskFile            no readable safetensors file with a manifest: pickle, zip, truncated
  InvalidManifest         the manifest breaks its own rules
  InvalidTensors          names, dtypes, shapes or values that contradict the manifest
  WrongBackbone           the file is sound but was learned for another backbone
ExamplesError             a change of a task's examples that is refused (also a ValueError)
  InvalidExample          a label that can be none
  UnknownExample          no such label or example
  TooManyExamples         more than a task may have
  LastExample             nothing would be left
  NotInstant              the task has no examples, or is of another method
"""


class StoreError(Exception):
    """Anything the store refuses or fails to do."""


class InvalidTaskName(StoreError, ValueError):
    """The name breaks the rule of `prompts_store.names`."""


class TaskNotFound(StoreError):
    """Nothing was ever published under this name."""


class VersionNotFound(StoreError):
    """The task exists, this version of it does not."""


class VersionDeleted(VersionNotFound):
    """The version was deleted; its number is never used again."""


class VersionLive(StoreError):
    """The version is the live one, which cannot be deleted."""


class TaskNotLive(StoreError):
    """The task has no live version to retire."""


class StoreConflict(StoreError):
    """Other writers took every number that was tried."""


class DamagedObject(StoreError):
    """An object in the store does not hold what was written."""


class StoreUnavailable(StoreError):
    """The storage behind the store failed; the message carries its reason."""


class StoreFull(StoreUnavailable):
    """The storage has no room; what was to be written is not there."""


class TaskFileError(ValueError):
    """A task file, or the parts it would be made from, is not sound."""


class NotATaskFile(TaskFileError):
    """The bytes are not a safetensors file that carries a manifest."""


class InvalidManifest(TaskFileError):
    """The manifest is missing a field, has one too many, or holds a value outside its rule."""


class InvalidTensors(TaskFileError):
    """The tensors contradict the manifest or hold values that are not finite."""


class WrongBackbone(TaskFileError):
    """The task file was learned for another backbone than the one it should run on."""


class ExamplesError(ValueError):
    """A change of the examples of a task that is refused."""


class InvalidExample(ExamplesError):
    """An example is not one that a task can have."""


class UnknownExample(ExamplesError):
    """The task has no such label or example."""


class TooManyExamples(ExamplesError):
    """The task would have more examples than one may have."""


class LastExample(ExamplesError):
    """The task would have no example left."""


class NotInstant(ExamplesError):
    """The task was not made of examples, or by another method or under another adaptation."""


def shown(value: object) -> str:
    """Return a value as the sentences show it: its repr, at most 80 characters of it."""
    if isinstance(value, str | bytes):
        value = value[:80]  # its repr is longer, and all of it may have millions
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits, or what holds one
        text = "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:80]}…"
