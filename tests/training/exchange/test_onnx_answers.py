"""An exported model answers what a server does: probabilities, distances, heads of every kind."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import TaskFile
from facet_vision.prompts_store.instant.collection import Collection, Example
from facet_vision.prompts_store.instant.facts import InstantKind
from facet_vision.prompts_store.instant.file import instant_file
from facet_vision.service.engine.engine import Engine
from facet_vision.service.engine.resident import Reactivated, WithDistance
from facet_vision.training.errors import ExchangeError
from facet_vision.training.exchange import onnx_export
from facet_vision.training.exchange.onnx_export import export_task
from tests.service.support.app import png, small_backbone, sure, task_file
from tests.training.exchange.test_onnx_export import random_images, run

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

EXACT = {"atol": 1e-4, "rtol": 1e-4}


@pytest.fixture(scope="module")
def net() -> Backbone:
    return small_backbone()


def served(task: TaskFile, net: Backbone, images: Tensor) -> dict[str, Tensor]:
    """What the engine answers, under the names of the model's outputs."""
    resident = Engine(net).place(task, 1)
    pixels = list(images.numpy())
    (logits,) = Engine(net).run([(Reactivated(resident, "none"), pixels)])
    (scores,) = Engine(net).run([(resident, pixels)])
    found = {"logits": logits, "probabilities": scores}
    if task.manifest.threshold is not None:
        (both,) = Engine(net).run([(WithDistance(resident, resident.activation), pixels)])
        found["distance"] = both[:, -1]
    return found


def check(task: TaskFile, net: Backbone, file: Path) -> None:
    export_task(task, net, file)
    for count in (1, 4):
        images = random_images(net, count)
        found, expected = run(file, images), served(task, net, images)
        assert found.keys() == expected.keys()
        for name, numbers in found.items():
            torch.testing.assert_close(numbers, expected[name], **EXACT)


def test_a_task_that_knows_how_sure_it_is(net: Backbone, tmp_path: Path) -> None:
    task = sure(net, task_file(net, "pets", temperature=4.0), [png(1), png(2)], 1.25)
    check(task, net, tmp_path / "pets.onnx")
    session: Any = onnxruntime.InferenceSession(
        tmp_path / "pets.onnx", providers=["CPUExecutionProvider"]
    )
    shapes = {each.name: each.shape for each in session.get_outputs()}
    assert shapes["distance"] == ["batch"]
    told = json.loads(session.get_modelmeta().custom_metadata_map["facet"])
    assert told["threshold"]["value"] == 1.25


def test_several_labels_with_thresholds(net: Backbone, tmp_path: Path) -> None:
    stated = {"activation": "sigmoid", "temperature": 0.5, "class_thresholds": (0.3, 0.6)}
    check(task_file(net, "pets", **stated), net, tmp_path / "pets.onnx")


def learned(net: Backbone, kind: InstantKind, labels: int = 3) -> TaskFile:
    """An instant task of random features, as a server writes and reads it."""
    generator = torch.Generator().manual_seed(0)
    made = Collection(kind, neighbours=4)
    for label in range(labels):
        rows = torch.randn(10, net.feature_dim, generator=generator) + label
        examples = [Example(f"{label:08x}{row:08x}", each) for row, each in enumerate(rows)]
        made = made.add(f"label {label}", examples)
    return TaskFile.from_bytes(instant_file("pets", made, net).to_bytes())


@pytest.mark.parametrize("kind", ["knn", "lda"])
def test_instant_tasks(kind: InstantKind, net: Backbone, tmp_path: Path) -> None:
    task = learned(net, kind)
    assert task.manifest.threshold is not None
    check(task, net, tmp_path / "pets.onnx")


def test_another_distance_is_not_written(
    net: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = sure(net, task_file(net, "pets"), [png(1), png(2)], 1.0)
    monkeypatch.setattr(onnx_export, "TOLERANCE", -1.0)
    monkeypatch.setattr(onnx_export.TaskNetwork, "outputs", ["distance"])
    with pytest.raises(ExchangeError, match=r"pets.onnx: expected the distance .* other numbers"):
        export_task(task, net, tmp_path / "pets.onnx")
    assert list(tmp_path.iterdir()) == []
