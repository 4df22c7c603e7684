"""What trained files state of their confidence, by how many images there are."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from facet_vision import backbone
from facet_vision.prompts_store import Manifest, TaskFile
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import prepare
from facet_vision.training.methods import find
from facet_vision.training.metrics import features_of
from facet_vision.training.output import confidence
from facet_vision.training.output.checkpoints import Checkpoint
from facet_vision.training.output.trained_file import TrainedFile
from facet_vision.training.recipe import make_recipe
from facet_vision.training.train import train_task
from tests.training.support.small import several_labels, shades_of_grey


def trained(
    tiny: backbone.Backbone, data: TaskData, method: str = "linear", **given: Any
) -> TaskFile | Checkpoint:
    fields = {"data": "x", "task": "shades", "method": method, "epochs": 2, "batch_size": 10}
    return train_task(tiny, data, make_recipe(fields | given, find(method).defaults))


def held_out(data: TaskData, count: int) -> TaskData:
    """The same problem with so many held-out images; some occur several times."""
    rows = [row % len(data.test) for row in range(count)]
    return replace(data, test=data.test.take(rows))


@pytest.mark.parametrize("method", ["linear", "vpt-deep"])
def test_a_threshold_from_held_out_images(
    tiny: backbone.Backbone, shades: TaskData, method: str
) -> None:
    data = held_out(shades, 20)
    task = trained(tiny, data, method)
    assert isinstance(task, TaskFile)
    stated, distance = task.manifest.threshold, task.distance
    assert stated is not None
    assert distance is not None
    assert (stated.source, stated.images, stated.share) == ("held-out", 20, 0.95)
    images = prepare(data.test, tiny.preprocess)
    found = distance.to(dtype=torch.float32)(features_of(task, tiny, images))
    assert stated.value == float(found.max())  # of 20, all but one twentieth of 21
    again = TaskFile.from_bytes(task.to_bytes())
    assert (again.manifest, again.tensors().keys()) == (task.manifest, task.tensors().keys())


def test_where_few_are_held_out_training_images_count_if_features_were_not_learned_from_them(
    tiny: backbone.Backbone, shades: TaskData
) -> None:
    data = held_out(shades, 18)
    linear, prompted = trained(tiny, data), trained(tiny, data, "vpt-deep")
    assert linear.manifest.threshold is not None
    assert linear.manifest.threshold.source == "cross-validation"
    assert linear.manifest.threshold.images == 18 + len(data.train)
    assert prompted.manifest.threshold is None
    assert isinstance(prompted, TaskFile)
    assert prompted.distance is None


def test_without_enough_images_there_is_none(tiny: backbone.Backbone, shades: TaskData) -> None:
    data = replace(held_out(shades, 5), train=shades.train.take(range(6)))
    assert trained(tiny, data).manifest.threshold is None
    one_each = replace(shades, train=shades.train.take(range(3)))
    assert trained(tiny, one_each).manifest.threshold is None


def test_several_labels_have_thresholds_of_their_own(
    tiny: backbone.Backbone, shades: TaskData
) -> None:
    task = trained(tiny, several_labels(held_out(shades, 60)), epochs=20)
    assert task.manifest.threshold is None
    assert task.manifest.class_thresholds is not None
    assert len(task.manifest.class_thresholds) == 3


def test_of_many_training_images_a_share_of_each_class_is_enough(
    tiny: backbone.Backbone, shades: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(tiny, held_out(shades, 20))
    monkeypatch.setattr(confidence, "MOST_IMAGES", 15)
    part = trained(tiny, held_out(shades, 20))
    assert isinstance(whole, TaskFile)
    assert isinstance(part, TaskFile)
    assert whole.distance is not None
    assert part.distance is not None
    assert part.distance.means.shape == whole.distance.means.shape
    assert not torch.equal(part.distance.means, whole.distance.means)


@pytest.mark.parametrize("method", ["linear", "bias"])
def test_what_is_read_again_answers_with_the_temperature(
    tiny: backbone.Backbone, method: str, tmp_path: Any
) -> None:
    data = held_out(shades_of_grey(), 12)
    made = trained(tiny, data, method)
    hot: Manifest = made.manifest.model_copy(update={"temperature": 4.0})
    images = prepare(data.test, tiny.preprocess)
    cold = TrainedFile(tmp_path, made).answers(tiny, images)
    divided = TrainedFile(tmp_path, replace(made, manifest=hot)).answers(tiny, images)
    before = made.manifest.temperature or 1
    torch.testing.assert_close(divided.logits * 4, cold.logits * before)
    assert (cold.distances is None) == (made.manifest.threshold is None)


def test_metrics_come_behind_those_of_the_task(tiny: backbone.Backbone, shades: TaskData) -> None:
    task = trained(tiny, held_out(shades, 90))
    names = list(task.manifest.metrics)
    assert names[:3] == ["accuracy", "macro_f1", "held_out_images"]
    assert "calibration_error" in names[3:]
