"""Contract of every registered method with a gradient, on a ViT, a Swin and an Eva."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import TaskFile
from facet_vision.training.data.datasets import Examples, TaskData
from facet_vision.training.data.images import InMemory, prepare
from facet_vision.training.fitting.loop import fit
from facet_vision.training.fitting.optimizer import make_optimizer
from facet_vision.training.methods import METHODS, find
from facet_vision.training.methods.method import Method
from facet_vision.training.output.checkpoints import Checkpoint
from facet_vision.training.output.writing import write
from tests.training.support.methods import (
    INSTANT,
    NAMES,
    NOT_SERVED,
    SERVED,
    features,
    logits,
    method,
    network,
    nudged,
    recipe,
)

on_every_backbone = pytest.mark.parametrize("net", ["plain", "swin", "rope-mixed"], indirect=True)
MOVED_AT_FIRST = (
    "linear",
    "mlp-2",
    "sidetune",
    "vpt-shallow",
    "vpt-deep",
    "prefix",
    "vpt-deep+lora+bias",
)
"""Their features are others at first: of random prompts, or standardised."""

every_method = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def few() -> TaskData:
    """Three patterns, under noise of equal strength."""
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 128, (3, 32, 32, 3))

    def examples(count: int) -> Examples:
        targets = [index % 3 for index in range(count)]
        pixels = [patterns[target] + rng.integers(0, 128, (32, 32, 3)) for target in targets]
        return Examples([Image.fromarray(image.astype(np.uint8)) for image in pixels], targets)

    return TaskData(examples(15), examples(6), ("a", "b", "c"), "patterns")


@pytest.fixture
def net(request: pytest.FixtureRequest) -> Backbone:
    torch.manual_seed(0)  # for what the tests draw themselves
    return network(request.param)


def _fitted(name: str, net: Backbone, data: TaskData, epochs: int) -> tuple[Method, torch.Tensor]:
    """Return a trained method and its prepared training images."""
    made = method(name, net, epochs=epochs, batch_size=7)  # the last batch is a single image
    inputs = made.prepare(prepare(data.train, net.preprocess))
    targets = torch.tensor(data.train.targets)
    fit(made, inputs, targets, made.recipe, torch.Generator().manual_seed(0))
    return made, _rows(inputs)


def _rows(inputs: InMemory) -> torch.Tensor:
    return inputs.rows


def _images(net: Backbone, data: TaskData) -> torch.Tensor:
    return _rows(prepare(data.train, net.preprocess))


@every_method
@on_every_backbone
def test_gradients_reach_trained_parameters_only(name: str, net: Backbone, few: TaskData) -> None:
    before = {key: value.clone() for key, value in net.model.state_dict().items()}
    made = nudged(method(name, net)).train()
    inputs = _rows(made.prepare(prepare(few.train, net.preprocess)))
    found = made(inputs[:8])
    assert found.shape == (8, 3)
    F.cross_entropy(found, torch.tensor(few.train.targets[:8])).backward()
    assert all(parameter.grad.any() for parameter in made.trained().values())
    reached = {key for key, value in made.named_parameters() if value.grad is not None}
    assert reached == made.trained().keys()
    make_optimizer(made, made.recipe).step()
    after = net.model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    for parameter in net.model.parameters():
        assert not parameter.requires_grad
        assert parameter.grad is None
    assert not any(module.training for module in net.model.modules())


@every_method
@on_every_backbone
def test_a_few_steps_reduce_the_loss(name: str, net: Backbone, few: TaskData) -> None:
    targets = torch.tensor(few.train.targets)
    fitted, inputs = _fitted(name, net, few, epochs=4)
    start = method(name, net).train()
    start.prepare(prepare(few.train, net.preprocess))
    start.eval()
    with torch.no_grad():
        before, after = (F.cross_entropy(made(inputs), targets) for made in (start, fitted))
    assert after < before


@every_method
@on_every_backbone
def test_the_written_result_predicts_as_the_trained_method(
    name: str, net: Backbone, few: TaskData, tmp_path: Path
) -> None:
    made, inputs = _fitted(name, net, few, epochs=2)
    written = write(made, few, made.recipe, prepare(few.test, net.preprocess))
    assert (written.manifest.method, written.manifest.labels) == (name, few.labels)
    with torch.no_grad():
        found = _read_back(made, written, net, few, tmp_path).softmax(dim=1)
        # random features hardly vary: standardised by 1/30 of their size, they lose digits
        atol = 1e-4 if name in ("linear", "mlp-2") else 1e-5
        torch.testing.assert_close(found, made(inputs).softmax(dim=1), atol=atol, rtol=0)


def _read_back(
    made: Method, written: TaskFile | Checkpoint, net: Backbone, data: TaskData, folder: Path
) -> torch.Tensor:
    images, path = _images(net, data), folder / "written"
    if isinstance(written, Checkpoint):
        written.save(path)
        return logits(Checkpoint.load(path).restore(net), images)
    exact = {"prompts": made.written_prompts(), "parts": made.written_parts()}
    replace(written, head=made.written_head(), **exact).save(path)
    task = TaskFile.load(path)
    task.check_fits(net)
    return task.head(net.features(images, task.prompts, task.parts))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in MOVED_AT_FIRST])
@on_every_backbone
def test_the_network_is_unchanged_at_first(name: str, net: Backbone, few: TaskData) -> None:
    """What is added to a backbone has no effect at first."""
    images = _images(net, few)[:4]
    found = features(method(name, net).eval(), images)
    torch.testing.assert_close(found, net.features(images), atol=1e-5, rtol=1e-5)


@every_method
@on_every_backbone
def test_the_seed_alone_decides(name: str, net: Backbone, few: TaskData) -> None:
    torch.manual_seed(1)
    first, _ = _fitted(name, net, few, epochs=1)
    torch.manual_seed(2)
    second, _ = _fitted(name, net, few, epochs=1)
    tensors = second.written_tensors()
    assert all(torch.equal(value, tensors[key]) for key, value in first.written_tensors().items())


@every_method
@on_every_backbone
def test_modes_while_training(name: str, net: Backbone) -> None:
    """Dropout and stochastic depth of the backbone act in full fine-tuning only."""
    made = method(name, net).train()
    assert all(module.training for module in made.head.modules())
    training = {
        key for key, module in made.named_modules() if module.training and key.startswith("model")
    }
    assert bool(training) == (name == "full")
    assert not any(module.training for module in made.eval().modules())


@every_method
def test_defaults_make_a_recipe(name: str) -> None:
    assert recipe(name).method == name
    general = {"optimizer", "lr", "head_lr", "weight_decay"}
    assert find(name).uses >= find(name).defaults.keys() - general


def test_every_method_is_covered() -> None:
    assert {find(name).name for name in (*NAMES, *INSTANT)} == {*METHODS, "vpt-deep+lora+bias"}
    assert {"ncm", "knn", "lda"} == set(INSTANT)
    served = {"vpt-deep", "vpt-shallow", "prefix", "linear", "mlp-2", "vpt-deep+lora+bias"}
    assert served | {"bias", "ssf", "adapter", "adaptformer", "lora"} == set(SERVED)
    assert {"full", "partial-2", "bias-all", "sidetune"} == set(NOT_SERVED)
