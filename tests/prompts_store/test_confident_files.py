"""Files that state how sure they are, and files that do not and keep their bytes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facet_vision.prompts_store import (
    Distance,
    InvalidManifest,
    InvalidTensors,
    Manifest,
    Preview,
    TaskFile,
    builtin,
)
from tests.prompts_store.hostile import assemble, take_apart
from tests.prompts_store.task_examples import manifest, task_file

OLD = [
    (Path(__file__).parent / "old" / "digits-v1.safetensors").read_bytes(),
    *(builtin.read(name) for name in builtin.names()),
    task_file().to_bytes(),
]
NEW = ("temperature", "threshold", "class_thresholds")
THRESHOLD: dict[str, Any] = {
    "score": "distance",
    "value": 1.25,
    "share": 0.95,
    "images": 40,
    "source": "held-out",
}


def sure(**changes: Any) -> TaskFile:
    """A file with a temperature and a threshold."""
    stated: dict[str, Any] = {"temperature": 1.5, "threshold": THRESHOLD}
    made = Distance(torch.ones(2, 4), torch.ones(3, 4), torch.ones(1))
    plain = task_file()
    return TaskFile(manifest(**(stated | changes)), plain.prompts, plain.head, distance=made)


def read_with(**changes: Any) -> Manifest:
    """Read a manifest with these fields changed, as the reader of a file does."""
    fields = json.loads(manifest().to_json()) | changes
    return Manifest.from_json(json.dumps(fields))


@pytest.mark.parametrize("data", OLD)
def test_files_that_state_nothing_keep_their_bytes(data: bytes) -> None:
    file = TaskFile.from_bytes(data)
    if any(getattr(file.manifest, name) is not None for name in NEW):
        pytest.skip("a builtin task that was trained since states them")
    assert file.to_bytes() == data
    assert not set(NEW) & set(file.manifest.document())
    assert file.distance is None


@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_what_is_stated_is_read_again(dtype: torch.dtype | None) -> None:
    data = sure().to_bytes(dtype)
    again = TaskFile.from_bytes(data)
    assert again.manifest == sure().manifest
    assert again.manifest.document()["threshold"] == THRESHOLD
    assert again.distance is not None
    assert again.distance.directions.dtype == (dtype or torch.float32)
    assert again.to_bytes() == data
    assert Preview.parse(data, len(data)).manifest == again.manifest
    assert again.nbytes == task_file().nbytes / (2 if dtype else 1) + again.distance.nbytes


@given(
    temperature=st.none() | st.floats(0.001, 1000),
    thresholds=st.none() | st.tuples(*[st.floats(0, 1)] * 3),
)
def test_manifests_of_several_labels(
    temperature: float | None, thresholds: tuple[float, ...] | None
) -> None:
    made = manifest(activation="sigmoid", temperature=temperature, class_thresholds=thresholds)
    again = Manifest.from_json(made.to_json())
    assert again == made
    assert ("temperature" in json.loads(made.to_json())) == (temperature is not None)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"temperature": 0}, "'temperature': expected greater than or equal to 0.001, found 0"),
        ({"temperature": "hot"}, "'temperature': expected a valid number, found 'hot'"),
        (
            {"temperature": 2.0, "activation": "none"},
            "temperature: expected only with activation softmax or sigmoid, found one with none",
        ),
        (
            {"threshold": THRESHOLD, "activation": "sigmoid"},
            "threshold: expected only with activation softmax, found one with sigmoid",
        ),
        (
            {"threshold": THRESHOLD | {"score": "energy"}},
            "'threshold.score': expected 'distance', found 'energy'",
        ),
        (
            {"threshold": THRESHOLD | {"value": -1}},
            "'threshold.value': expected greater than or equal to 0, found -1",
        ),
        ({"threshold": THRESHOLD | {"share": 1}}, "'threshold.share': expected less than 1"),
        ({"threshold": {"score": "distance"}}, "'threshold.value': expected a value, found none"),
        (
            {"threshold": THRESHOLD | {"unit": "m"}},
            "'threshold.unit': expected no field of this name, found 'm'",
        ),
        (
            {"class_thresholds": [0.5] * 3},
            "class_thresholds: expected only with activation sigmoid, found one with softmax",
        ),
        (
            {"class_thresholds": [0.5] * 2, "activation": "sigmoid"},
            "class_thresholds: expected one for each of 3 labels, found 2",
        ),
        (
            {"class_thresholds": [0.5, 1.5, 0.5], "activation": "sigmoid"},
            "'class_thresholds.1': expected less than or equal to 1, found 1.5",
        ),
    ],
)
def test_a_fault_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidManifest) as error:
        read_with(**changes)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("distance", "sentence"),
    [
        (None, "expected 'distance.directions', found none"),
        (
            Distance(torch.ones(2, 5), torch.ones(3, 4), torch.ones(1)),
            "columns of 'distance.directions': expected 4, found 5",
        ),
        (
            Distance(torch.ones(2, 4), torch.ones(2, 4), torch.ones(1)),
            r"shape of 'distance.means': expected \(3, 4\), found \(2, 4\)",
        ),
        (
            Distance(torch.ones(2, 4), torch.ones(3, 4), torch.ones(2)),
            r"shape of 'distance.scale': expected \(1,\), found \(2,\)",
        ),
        (
            Distance(torch.ones(2, 4), torch.full((3, 4), torch.inf), torch.ones(1)),
            "values of 'distance.means': expected finite numbers, found inf",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_refused(distance: Distance | None, sentence: str) -> None:
    with pytest.raises(InvalidTensors, match=sentence):
        replace(sure(), distance=distance)


def test_a_distance_without_a_threshold_is_refused() -> None:
    with pytest.raises(InvalidTensors, match=r"found 'distance\.directions' as well"):
        sure(threshold=None)


def test_a_file_whose_header_lies_about_it_is_refused() -> None:
    header, payload = take_apart(sure().to_bytes())
    header["distance.scale"]["shape"] = [1, 1]
    with pytest.raises(InvalidTensors, match=r"shape of 'distance\.scale': expected \(1,\)"):
        TaskFile.from_bytes(assemble(header, payload))


def test_a_head_over_a_temperature() -> None:
    file, features = task_file(hidden=(7,)), torch.randn(5, 4)
    torch.testing.assert_close(file.head.divided(2.5)(features), file.head(features) / 2.5)
    assert file.head.divided(None) is file.head
    assert file.head.divided(2.5).shapes == file.head.shapes
