"""Headers without tensors: what a list of tasks reads of a stored file."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from obstore.store import MemoryStore

from facet_vision.prompts_store import (
    DamagedObject,
    NotATaskFile,
    Preview,
    Store,
    TaskFile,
    TaskFileError,
    WrongBackbone,
)
from facet_vision.prompts_store.storage.bucket import Bucket
from facet_vision.prompts_store.storage.objects import Objects
from tests.prompts_store.hostile import Hostile, cases
from tests.prompts_store.task_examples import Facts, task_file

OpenLocation = Callable[[], Objects]


class Metered(Objects):
    """Counts the bytes that are read of task files."""

    def __init__(self, inner: Objects) -> None:
        self._inner = inner
        self.bytes = 0
        self.create = inner.create
        self.keys = inner.keys

    def read(self, path: str, length: int | None = None) -> bytes:
        data = self._inner.read(path, length)
        self.bytes += len(data) if path.endswith(".safetensors") else 0
        return data


def refusal(call: Callable[[], object]) -> str | None:
    try:
        call()
    except TaskFileError as error:
        return str(error)
    return None


def preview(store: Store, data: bytes) -> Preview:
    number = store.publish("flowers", data, by="ada").number
    return Preview.parse(store.read_header("flowers", number), len(data))


@pytest.mark.parametrize("hidden", [(), (5, 7)])
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_it_says_what_the_whole_file_says(
    store: Store, hidden: tuple[int, ...], layers: int
) -> None:
    file = task_file(hidden=hidden, layers=layers, tokens=3 if layers else 0)
    seen = preview(store, file.to_bytes())
    assert seen.manifest == file.manifest
    assert seen.prompt_dims == tuple(prompt.shape[1] for prompt in file.prompts)
    assert seen.feature_dim == file.head.feature_dim


@pytest.mark.parametrize("labels", [3, 2000])
def test_the_tensors_are_not_read(open_location: OpenLocation, labels: int) -> None:
    """However long the header is; one of 2000 labels is longer than the first read."""
    wide = task_file(labels=tuple(f"a label with a long name {index}" for index in range(labels)))
    bulky = replace(
        wide,
        manifest=wide.manifest.model_copy(update={"tokens": 10_000}),
        prompts=tuple(torch.zeros(10_000, 6) for _ in range(2)),
    )
    objects = Metered(open_location())
    data = bulky.to_bytes()
    seen = preview(Store(objects), data)
    assert seen.manifest == bulky.manifest
    assert objects.bytes < len(data) / 2


def test_it_is_held_against_the_backbone(store: Store) -> None:
    seen = preview(store, task_file().to_bytes())
    seen.check_fits(Facts())
    with pytest.raises(WrongBackbone, match="prompt width in layer 1"):
        seen.check_fits(Facts(layer_dims=(6, 8)))
    with pytest.raises(WrongBackbone, match="input width of the head"):
        seen.check_fits(Facts(feature_dim=5))


@pytest.mark.parametrize(
    "case", [case for case in cases() if case.data], ids=lambda case: case.name
)
def test_it_refuses_in_the_same_words_or_leaves_it_to_the_tensors(
    store: Store, case: Hostile
) -> None:
    """Faults of the header are reported as for the whole file; others appear when it is loaded."""
    whole = refusal(lambda: TaskFile.from_bytes(case.data))
    header = refusal(lambda: preview(store, case.data))
    assert header == whole or (header is None and "values of" in str(whole))


@pytest.mark.parametrize(
    ("left", "sentence"),
    [
        (0, "file size: expected at least 8 bytes, found 0"),
        (5, "file size: expected at least 8 bytes, found 5"),
        (100, "header: expected valid JSON"),
    ],
)
def test_a_file_that_lost_its_end(open_location: OpenLocation, left: int, sentence: str) -> None:
    data, objects = task_file().to_bytes(), open_location()
    objects.create("flowers/versions/000001.safetensors", data[:left])
    objects.create("flowers/events/000001.json", publication(data))
    with pytest.raises(NotATaskFile, match=sentence):
        Preview.parse(Store(objects).read_header("flowers", 1), len(data))


def test_a_file_that_is_gone(open_location: OpenLocation) -> None:
    objects = open_location()
    objects.create("flowers/events/000001.json", publication(b"lost"))
    with pytest.raises(DamagedObject, match="expected the published file, found none"):
        Store(objects).read_header("flowers", 1)


def publication(data: bytes) -> bytes:
    """The event of a version 1 that holds `data`."""
    objects = Bucket(MemoryStore())
    Store(objects).publish("flowers", data, by="ada")
    return objects.read("flowers/events/000001.json")
