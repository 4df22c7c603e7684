"""One training run, from data to its result."""

from dataclasses import replace

import pytest
import torch

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Head, TaskFile
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import prepare
from facet_vision.training.fitting.loop import Step
from facet_vision.training.metrics import measure, predict
from facet_vision.training.new_recipe import new_recipe
from facet_vision.training.output.writing import choose_dtype
from facet_vision.training.train import train_task

every_method = pytest.mark.parametrize("name", ["linear", "vpt-shallow", "vpt-deep"])


def _train(name: str, tiny: Backbone, data: TaskData, **given: object) -> TaskFile:
    flags = {"data": "shades", "task": "shades", "method": name, "epochs": 20, "batch_size": 8}
    flags |= {"lr": 1.6, "head_lr": 1.6} | given
    return train_task(tiny, data, new_recipe(**flags))


@every_method
def test_learns_and_states_the_metrics_of_the_stored_tensors(
    name: str, tiny: Backbone, shades: TaskData
) -> None:
    stored = TaskFile.from_bytes(_train(name, tiny, shades).to_bytes())
    stored.check_fits(tiny)
    images = prepare(shades.test, tiny.preprocess)
    metrics = measure(predict(stored, tiny, images), torch.tensor(shades.test.targets))
    assert stored.manifest.metrics == metrics
    assert metrics["accuracy"] > 0.9
    assert metrics["held_out_images"] == 15
    assert stored.head.layers[0][0].dtype == torch.float16


@every_method
def test_same_seed_gives_the_same_bytes(name: str, tiny: Backbone, shades: TaskData) -> None:
    first, same, other = (_train(name, tiny, shades, epochs=2, seed=seed) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(_tensors(first), _tensors(same), strict=True))
    assert not torch.equal(_tensors(first)[-1], _tensors(other)[-1])
    assert first.manifest.model_copy(update={"created": same.manifest.created}) == same.manifest


def test_manifest_describes_the_task(tiny: Backbone, shades: TaskData) -> None:
    manifest = _train("vpt-deep", tiny, shades, epochs=1, tokens=4, description="greys").manifest
    assert (manifest.task, manifest.method) == ("shades", "vpt-deep")
    assert (manifest.layers, manifest.tokens) == (2, 4)
    assert (manifest.labels, manifest.activation) == (("dark", "grey", "bright"), "softmax")
    assert manifest.data == "shades of grey, 30 training and 15 held-out images"
    assert manifest.description == "greys"
    assert manifest.recipe["epochs"] == 1


def test_float16_is_stored_only_where_it_is_as_good(tiny: Backbone, shades: TaskData) -> None:
    task = _train("linear", tiny, shades, epochs=1)
    images = prepare(shades.test, tiny.preprocess)
    targets = predict(task, tiny, images).argmax(dim=1)
    # 1e6 gives values beyond float16's range, 1e-9 values that it rounds to zero
    for scale, dtype in ((1.0, torch.float16), (1e6, torch.float32), (1e-9, torch.float32)):
        chosen, _ = choose_dtype(_with_head(task, scale), tiny, images, targets)
        assert chosen.head.layers[0][0].dtype == dtype


def _with_head(task: TaskFile, scale: float) -> TaskFile:
    weight, bias = task.head.to(dtype=torch.float32).layers[0]
    return replace(task, head=Head(((weight * scale, bias * scale),)))


def _tensors(task: TaskFile) -> list[torch.Tensor]:
    return [*task.prompts, *task.head.layers[0]]


def test_progress_is_reported(tiny: Backbone, shades: TaskData) -> None:
    steps: list[Step] = []
    recipe = new_recipe(data="x", task="x", method="linear", epochs=2, batch_size=10)
    train_task(tiny, shades, recipe, steps.append)
    assert [step.number for step in steps] == list(range(6))
