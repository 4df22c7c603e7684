"""Instant tasks on the device: in a mixed batch each row gets what its task's head gives alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Head, TaskFile
from facet_vision.prompts_store.instant.collection import Collection, Example
from facet_vision.prompts_store.instant.facts import INSTANT_KINDS, InstantKind
from facet_vision.prompts_store.instant.file import instant_file
from facet_vision.service.engine.engine import Engine
from facet_vision.service.errors import UnfitTask
from tests.service.support.app import DEPTH, task_file


def _images(count: int, seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, (3, 32, 32), dtype=np.uint8) for _ in range(count)]


def _features(small: Backbone, images: list[np.ndarray]) -> torch.Tensor:
    with torch.inference_mode():
        pixels = small.preprocess.batch(images, small.device)
        return small.features(pixels).float()


def _file(small: Backbone, kind: InstantKind, labels: int) -> TaskFile:
    made = Collection(kind, neighbours=4)
    for label in range(labels):
        rows = _features(small, _images(5, label))
        examples = [Example(f"{label:08x}{row:08x}", each) for row, each in enumerate(rows)]
        made = made.add(f"label {label}", examples)
    return instant_file(f"{kind}-{labels}", made, small)


def test_a_mixed_batch(small: Backbone) -> None:
    engine = Engine(small)
    files = [_file(small, kind, labels) for kind in INSTANT_KINDS for labels in (2, 3)]
    files += [task_file(small, "plain"), task_file(small, "deep", layers=DEPTH)]
    residents = [engine.place_tested(file, 1) for file in files]
    images = _images(3, 100)
    found = engine.run([(resident, images) for resident in residents])
    for file, scores in zip(files, found, strict=True):
        with torch.inference_mode():
            pixels = small.preprocess.batch(images, small.device)
            features = small.features(pixels, file.prompts).float()
            expected = file.head.to(dtype=torch.float32)(features).softmax(-1)
        torch.testing.assert_close(scores, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", INSTANT_KINDS)
def test_what_is_on_the_device(small: Backbone, kind: InstantKind) -> None:
    resident = Engine(small).place(_file(small, kind, 3), 7)
    assert (resident.task, resident.version, resident.adaptation.is_empty) == (f"{kind}-3", 7, True)
    if kind == "knn":
        assert resident.nbytes == 15 * (4 * small.feature_dim + 8)
    else:
        assert isinstance(resident.head, Head)
        assert resident.nbytes == 3 * 4 * (small.feature_dim + 1)


def test_a_threshold_of_examples_that_do_not_vary_is_refused(small: Backbone) -> None:
    made = Collection("ncm")
    for label in range(2):
        rows = torch.full((12, small.feature_dim), float(label))
        examples = [Example(f"{label:08x}{row:08x}", each) for row, each in enumerate(rows)]
        made = made.add(f"label {label}", examples)
    file = instant_file("t", made, small)
    assert file.manifest.threshold is None
    manifest = file.manifest.model_copy(
        update={"threshold": _file(small, "ncm", 4).manifest.threshold}
    )
    with pytest.raises(UnfitTask, match="expected a threshold of examples that vary"):
        Engine(small).place(replace(file, manifest=manifest), 1)
