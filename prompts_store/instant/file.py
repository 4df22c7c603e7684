"""The task file of a collection of examples, and the collection in a task file."""

import hashlib
from datetime import UTC, datetime

from facet_vision.prompts_store.errors import NotInstant
from facet_vision.prompts_store.fits import BackboneFacts
from facet_vision.prompts_store.manifest import Manifest, Scalar
from facet_vision.prompts_store.taskfile import TaskFile

from .borrowed import NOTHING, ORIGIN, Borrowed
from .collection import Collection
from .facts import ID_BYTES
from .head import InstantHead

LEFT_OUT_ACCURACY = "leave_one_out_accuracy"
"""Name of the metric of a task that has no held-out images."""

_FACTS = ("fingerprint", "identity", "pooling", "input_size", "mean", "std")


def example_id(image: bytes) -> str:
    """Return the id of an example: of the sha256 of its image's file so many bytes, in hex."""
    return hashlib.sha256(image).hexdigest()[: 2 * ID_BYTES]


def collection_of(file: TaskFile) -> Collection:
    """Return the examples of a task.

    Raises:
        NotInstant: it has none.
    """
    manifest = file.manifest
    if not isinstance(file.head, InstantHead):
        raise NotInstant(
            f"task {manifest.task!r}: expected a live version that is made of examples "
            f"(ncm, knn, lda), found one of method {manifest.method}"
        )
    origin = {name: said for name, said in manifest.recipe.items() if name.startswith(ORIGIN)}
    return Collection.of(file.head, manifest.labels, Borrowed(file.prompts, file.parts, origin))


def borrowed_from(file: TaskFile, version: int) -> Borrowed:
    """Return the adaptation of a version of a task; an instant one says where it has it from."""
    if not file.prompts and not file.parts:
        return NOTHING
    manifest = file.manifest
    if isinstance(file.head, InstantHead):
        return collection_of(file).borrowed
    origin: dict[str, Scalar] = {
        f"{ORIGIN}of": manifest.task,
        f"{ORIGIN}version": version,
        f"{ORIGIN}method": manifest.method,
    }
    return Borrowed(file.prompts, file.parts, origin)


def instant_file(
    task: str, collection: Collection, backbone: BackboneFacts, *, description: str = ""
) -> TaskFile:
    """Return the task file of a collection that has an example; its metric is of left-out ones."""
    head, accuracy = collection.head()
    prompts = collection.borrowed.prompts
    manifest = Manifest(
        task=task,
        method=head.kind,
        backbone=backbone.name,
        layers=len(prompts),
        tokens=len(prompts[0]) if prompts else 0,
        head=head.kind,
        examples=head.facts,
        labels=tuple(collection.labels),
        activation="softmax",
        data=f"{len(collection)} examples",
        recipe=dict(collection.borrowed.origin),
        metrics={} if accuracy is None else {LEFT_OUT_ACCURACY: accuracy},
        created=datetime.now(UTC),
        description=description,
        threshold=head.threshold(),
        **{name: getattr(backbone, name) for name in _FACTS},
    )
    return TaskFile(manifest, prompts, head, collection.borrowed.parts)
