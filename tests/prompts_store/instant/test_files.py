"""Instant task files: round trips, what is refused, and that other files are as they were."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from facet_vision.prompts_store import (
    InstantHead,
    InvalidManifest,
    InvalidTensors,
    Manifest,
    Preview,
    TaskFile,
    TaskFileError,
    WrongBackbone,
)
from facet_vision.prompts_store.instant.facts import INSTANT_KINDS, MAX_EXAMPLES, InstantKind
from facet_vision.prompts_store.layout import FEATURES, IDS
from tests.prompts_store.hostile import assemble, take_apart
from tests.prompts_store.instant.examples import facts, instant_file
from tests.prompts_store.task_examples import Facts, manifest_fields, task_file

every_kind = pytest.mark.parametrize("kind", INSTANT_KINDS)


@every_kind
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_round_trip(kind: InstantKind, dtype: torch.dtype) -> None:
    file = instant_file(kind, dtype=dtype)
    data = file.to_bytes()
    again = TaskFile.from_bytes(data)
    assert again.manifest == file.manifest
    assert again.to_bytes() == data
    assert again.nbytes == file.nbytes == 9 * 4 * dtype.itemsize + 9 * 8
    assert isinstance(again.head, InstantHead)
    assert isinstance(file.head, InstantHead)
    assert torch.equal(again.head.features, file.head.features)
    assert again.head.names == file.head.names
    images = torch.randn(3, 4)
    made, before = (each.head.to(dtype=torch.float32)(images) for each in (again, file))
    assert torch.equal(made, before)


def test_another_dtype_is_for_features_alone() -> None:
    file = TaskFile.from_bytes(instant_file().to_bytes(torch.float16))
    assert isinstance(file.head, InstantHead)
    assert (file.head.features.dtype, file.head.ids.dtype) == (torch.float16, torch.uint8)


@every_kind
def test_the_header_alone_says_what_a_list_shows(kind: InstantKind) -> None:
    file = instant_file(kind)
    preview = Preview.parse(file.to_bytes(), len(file.to_bytes()))
    assert (preview.manifest, preview.feature_dim) == (file.manifest, 4)
    preview.check_fits(Facts())
    file.check_fits(Facts())
    with pytest.raises(WrongBackbone, match="input width of the head"):
        file.check_fits(Facts(feature_dim=5))


def test_files_without_examples_are_as_they_were() -> None:
    assert "examples" not in json.loads(task_file().manifest.to_json())
    assert "examples" not in json.loads(task_file(hidden=(3,)).manifest.to_json())


@every_kind
def test_older_releases_refuse_the_kind_of_head_or_the_bytes_of_ids(kind: InstantKind) -> None:
    """They knew two kinds of head, and no tensor of bytes; either is an error to them."""
    header, _ = take_apart(instant_file(kind).to_bytes())
    assert json.loads(header["__metadata__"]["facet"])["head"] not in ("linear", "mlp")
    assert header[IDS]["dtype"] not in ("F16", "BF16", "F32")


def _with_manifest(kind: InstantKind = "lda", **changes: Any) -> bytes:
    """A sound file whose manifest has these fields changed; ... as a value removes the field."""
    header, payload = take_apart(instant_file(kind).to_bytes())
    fields = json.loads(header["__metadata__"]["facet"]) | changes
    text = json.dumps({name: value for name, value in fields.items() if value is not ...})
    return assemble(header | {"__metadata__": {"facet": text}}, payload)


def _examples(kind: InstantKind = "lda", **changes: Any) -> bytes:
    stated = facts((3, 2, 4), kind).model_dump(mode="json") | changes
    return _with_manifest(kind, examples=stated)


NAN = float("nan")
WRONG = {
    "no examples": (_with_manifest(examples=...), "examples: expected with a head of kind ncm"),
    "examples of a linear head": (_with_manifest(head="linear"), "found some with 'linear'"),
    "too few counts": (_examples(counts=[3, 6]), "examples.counts: expected 3, one for each"),
    "no counts": (_examples(counts=[]), "'examples.counts'"),
    "an empty label": (_examples(counts=[3, 0, 6]), "'examples.counts.1'"),
    "counts of text": (_examples(counts=["3", 2, 4]), "'examples.counts.0'"),
    "too many": (_examples(counts=[MAX_EXAMPLES, 2, 4]), f"at most {MAX_EXAMPLES}, found 10006"),
    "an endless count": (_examples(counts=[10**30, 2, 4]), "a whole number of 31 digits"),
    "no scale": (_examples(scale=0), "'examples.scale'"),
    "an infinite scale": (_examples(scale=1e999), "Infinity is not JSON"),
    "scale that is none": (_examples(scale=NAN), "NaN is not JSON"),
    "no neighbours": (_examples("knn", neighbours=None), "expected a number with the head 'knn'"),
    "neighbours of no use": (_examples(neighbours=3), "found 3 with 'lda'"),
    "too many neighbours": (_examples("knn", neighbours=1001), "'examples.neighbours'"),
    "an unknown fact": (_examples(means=1), "'examples.means': expected no field of this name"),
}


@pytest.mark.parametrize("name", WRONG)
def test_manifests_that_contradict_themselves_are_refused(name: str) -> None:
    data, words = WRONG[name]
    with pytest.raises(InvalidManifest) as caught:
        TaskFile.from_bytes(data)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def _with_tensors(**replaced: torch.Tensor | None) -> bytes:
    """A sound file with these tensors in place of its own, or without them for None."""
    named = instant_file().tensors() | {
        f"examples.{name}": tensor for name, tensor in replaced.items()
    }
    header, payload = take_apart(instant_file().to_bytes())
    made: dict[str, Any] = {"__metadata__": header["__metadata__"]}
    payload = b""
    for name, tensor in named.items():
        if tensor is None:
            continue
        raw = bytes(tensor.contiguous().flatten().view(torch.uint8).tolist())
        made[name] = {
            "dtype": {1: "U8", 2: "F16", 4: "F32", 8: "I64"}[tensor.element_size()],
            "shape": list(tensor.shape),
            "data_offsets": [len(payload), len(payload) + len(raw)],
        }
        payload += raw
    return assemble(made, payload)


def _features(value: float = 0.0) -> torch.Tensor:
    features = torch.zeros(9, 4)
    features[4, 2] = value
    return features


BYTES = torch.arange(72, dtype=torch.uint8).view(9, 8)
DAMAGED = {
    "no features": (_with_tensors(features=None), f"expected '{FEATURES}', found none"),
    "no ids": (_with_tensors(ids=None), f"expected '{IDS}', found none"),
    "more": (_with_tensors(labels=torch.zeros(9)), "found 'examples.labels' as well"),
    "too few": (_with_tensors(features=torch.zeros(8, 4)), "(examples): expected 9, found 8"),
    "flat features": (_with_tensors(features=torch.zeros(36)), "expected two sizes"),
    "empty features": (_with_tensors(features=torch.zeros(9, 0)), "two sizes of at least 1"),
    "bytes for features": (_with_tensors(features=BYTES[:, :4]), "expected one of F16, BF16, F32"),
    "numbers for ids": (_with_tensors(ids=torch.zeros(9, 8)), "expected one of U8, found F32"),
    "long ids": (_with_tensors(ids=torch.zeros(9, 9).byte()), f"shape of '{IDS}'"),
    "flat ids": (_with_tensors(ids=BYTES.flatten()), f"shape of '{IDS}'"),
    "an id twice": (_with_tensors(ids=BYTES.clone().fill_(7)), "found 0707070707070707 twice"),
    "not a number": (_with_tensors(features=_features(NAN)), f"values of '{FEATURES}'"),
    "infinite": (_with_tensors(features=_features(float("inf"))), "expected finite numbers"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_tensors_that_contradict_the_manifest_are_refused(name: str) -> None:
    data, words = DAMAGED[name]
    with pytest.raises(InvalidTensors) as caught:
        TaskFile.from_bytes(data)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["prompts.0", "head.weight", "head.bias"])
def test_bytes_stand_for_ids_alone(name: str) -> None:
    file = task_file()
    tensors = {each: tensor.byte() for each, tensor in file.tensors().items() if each == name}
    header, payload = take_apart(file.to_bytes())
    begin, end = header[name]["data_offsets"]
    rest = {
        each: entry
        | {"data_offsets": [at - 3 * (end - begin) // 4 for at in entry["data_offsets"]]}
        for each, entry in header.items()
        if each != "__metadata__" and entry["data_offsets"][0] >= end
    }
    raw = bytes(tensors[name].flatten().tolist())
    entry = {"dtype": "U8", "data_offsets": [begin, begin + len(raw)]}
    damaged = assemble(
        header | rest | {name: header[name] | entry}, payload[:begin] + raw + payload[end:]
    )
    with pytest.raises(InvalidTensors, match=f"dtype of '{name}': expected one of F16, BF16, F32"):
        TaskFile.from_bytes(damaged)


def test_a_head_that_is_not_the_manifests_is_refused() -> None:
    file = instant_file("lda")
    for other in (instant_file("ncm"), instant_file("lda", (4, 1, 4)), task_file()):
        with pytest.raises(TaskFileError):
            replace(file, head=other.head)
    with pytest.raises(TaskFileError):
        TaskFile(Manifest(**manifest_fields(layers=0, tokens=0)), (), file.head)
