"""Examples that come and go, and the task files that are made of them."""

import hashlib

import pytest
import torch

from facet_vision.prompts_store import (
    InstantHead,
    InvalidExample,
    LastExample,
    NotInstant,
    TaskFile,
    TooManyExamples,
    UnknownExample,
)
from facet_vision.prompts_store.instant import collection as module
from facet_vision.prompts_store.instant.collection import Collection, Example
from facet_vision.prompts_store.instant.facts import INSTANT_KINDS, NEIGHBOURS, InstantKind
from facet_vision.prompts_store.instant.file import collection_of, example_id, instant_file
from tests.prompts_store.instant.examples import clusters
from tests.prompts_store.task_examples import Facts, task_file

every_kind = pytest.mark.parametrize("kind", INSTANT_KINDS)


def examples(start: int, count: int) -> list[Example]:
    """Examples numbered from `start`; the features are of the number alone."""
    return [Example(f"{number:016x}", _feature(number)) for number in range(start, start + count)]


def _feature(number: int) -> torch.Tensor:
    return torch.randn(4, generator=torch.Generator().manual_seed(number)) + number // 10


def held(collection: Collection) -> dict[str, list[int]]:
    return {label: [int(id, 16) for id in known] for label, known in collection.labels.items()}


@pytest.fixture
def pets() -> Collection:
    return Collection("lda").add("cat", examples(0, 3)).add("dog", examples(10, 2))


def test_labels_and_examples_keep_their_order(pets: Collection) -> None:
    assert held(pets) == {"cat": [0, 1, 2], "dog": [10, 11]}
    assert len(pets) == 5
    more = pets.add("eel", examples(20, 1)).add("cat", examples(4, 1))
    assert held(more) == {"cat": [0, 1, 2, 4], "dog": [10, 11], "eel": [20]}
    assert held(pets) == {"cat": [0, 1, 2], "dog": [10, 11]}


def test_an_image_counts_once(pets: Collection) -> None:
    assert held(pets.add("cat", examples(1, 2))) == held(pets)
    twice = pets.add("cat", [*examples(5, 1), *examples(5, 1)])
    assert held(twice)["cat"] == [0, 1, 2, 5]


def test_an_image_under_another_label_moves_there(pets: Collection) -> None:
    assert held(pets.add("dog", examples(0, 1))) == {"cat": [1, 2], "dog": [10, 11, 0]}
    assert held(pets.add("eel", examples(10, 2))) == {"cat": [0, 1, 2], "eel": [10, 11]}


def test_forgetting(pets: Collection) -> None:
    assert held(pets.forget(f"{1:016x}")) == {"cat": [0, 2], "dog": [10, 11]}
    assert held(pets.forget_label("cat")) == {"dog": [10, 11]}
    assert held(pets.forget(f"{10:016x}").forget(f"{11:016x}")) == {"cat": [0, 1, 2]}


def test_what_is_not_there_cannot_be_forgotten(pets: Collection) -> None:
    with pytest.raises(UnknownExample, match=r"label: expected one of the 2 .*, found 'eel'"):
        pets.forget_label("eel")
    with pytest.raises(UnknownExample, match=r"example: expected the id of one of the 5 .*, found"):
        pets.forget(f"{7:016x}")


def test_the_last_example_stays(pets: Collection) -> None:
    last = pets.forget_label("cat").forget(f"{10:016x}")
    for forget in (lambda: last.forget(f"{11:016x}"), lambda: last.forget_label("dog")):
        with pytest.raises(LastExample, match="retire the task instead"):
            forget()


@pytest.mark.parametrize("label", ["", "a\nb", "x" * 201])
def test_a_label_that_is_none(pets: Collection, label: str) -> None:
    with pytest.raises(InvalidExample, match="label: expected 1 to 200 printable characters"):
        pets.add(label, examples(30, 1))


def test_a_task_has_so_many_examples(pets: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_EXAMPLES", 7)
    assert len(pets.add("eel", examples(20, 2))) == 7
    with pytest.raises(TooManyExamples, match="at most 7 of a task, found 8"):
        pets.add("eel", examples(20, 3))


def test_the_method_stays(pets: Collection) -> None:
    assert pets.uses("lda") is pets.uses(None) is pets
    with pytest.raises(NotInstant, match="method: expected lda, as the task has, found ncm"):
        pets.uses("ncm")


@every_kind
def test_a_file_holds_the_collection(kind: InstantKind) -> None:
    pets = Collection(kind, neighbours=3).add("cat", examples(0, 3)).add("dog", examples(10, 2))
    file = TaskFile.from_bytes(instant_file("pets", pets, Facts(), description="mine").to_bytes())
    file.check_fits(Facts())
    again = collection_of(file)
    assert held(again) == held(pets)
    assert (again.kind, again.dtype) == (kind, torch.float16)
    assert again.neighbours == (3 if kind == "knn" else NEIGHBOURS)
    for number in (0, 10):
        label = "cat" if number == 0 else "dog"
        feature = again.labels[label][f"{number:016x}"]
        assert torch.equal(feature, _feature(number).half())
    manifest = file.manifest
    assert (manifest.method, manifest.labels, manifest.data) == (kind, ("cat", "dog"), "5 examples")
    assert (manifest.description, manifest.activation) == ("mine", "softmax")
    assert manifest.metrics.keys() == {"leave_one_out_accuracy"}


def test_a_file_is_of_its_examples_alone(pets: Collection) -> None:
    """Forgetting is exact: the rest is as if the forgotten had never been there."""
    direct = Collection("lda").add("cat", examples(0, 2)).add("dog", examples(10, 2))
    file = instant_file("pets", pets.add("eel", examples(20, 4)), Facts())
    there = collection_of(TaskFile.from_bytes(file.to_bytes()))
    less = instant_file("pets", there.forget_label("eel").forget(f"{2:016x}"), Facts())
    expected = instant_file("pets", direct, Facts())
    assert less.manifest.examples == expected.manifest.examples
    assert all(
        torch.equal(tensor, expected.tensors()[name]) for name, tensor in less.tensors().items()
    )


def test_a_feature_too_large_for_half_precision_is_kept(pets: Collection) -> None:
    huge = pets.add("cat", [Example(f"{9:016x}", torch.full((4,), 1e5))])
    head, _ = huge.head()
    assert head.features.dtype == torch.float32
    assert head.features.max() == 1e5


def test_one_example_of_each_label_has_no_metric() -> None:
    few = Collection("ncm").add("cat", examples(0, 1)).add("dog", examples(10, 1))
    assert instant_file("pets", few, Facts()).manifest.metrics == {}


def test_other_tasks_have_no_examples() -> None:
    with pytest.raises(NotInstant, match=r"made of examples .*, found one of method vpt-deep"):
        collection_of(task_file())


def test_an_id_begins_the_sha256_of_the_file() -> None:
    image = b"an image"
    assert example_id(image) == hashlib.sha256(image).hexdigest()[:16]
    head, _ = Collection("ncm").add("a", [Example(example_id(image), clusters([1], 4)[0])]).head()
    assert isinstance(head, InstantHead)
    assert head.names == [example_id(image)]
