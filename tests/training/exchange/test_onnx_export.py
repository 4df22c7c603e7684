"""An exported model gives the task's answers in ONNX Runtime, in batches of any size."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from facet_vision import backbone
from facet_vision.backbone import Backbone
from facet_vision.prompts_store import TaskFile
from facet_vision.training.exchange.onnx_export import export_task
from facet_vision.training.methods import find
from facet_vision.training.recipe import make_recipe
from tests.backbone.families import build
from tests.service.support.app import task_file

onnx = pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")


def learned(net: Backbone, method: str, **manifest: Any) -> TaskFile:
    """A task in the form of a method, with random values all over."""
    generator = torch.Generator().manual_seed(0)
    kind = find(method)
    options = {"data": "x", "task": "x", "method": method, "tokens": 3, "rank": 2}
    used = {name: options[name] for name in options if name not in ("tokens", "rank")} | {
        name: options[name] for name in ("tokens", "rank") if name in kind.uses
    }
    made = kind(net, 3, make_recipe(used, kind.defaults), generator)
    parts = {
        name: part + 0.05 * torch.randn(part.shape, generator=generator)
        for name, part in made.written_parts().items()
    }
    template = task_file(net, "pets", labels=("cat", "dog", "ä"), seed=1, **manifest)
    prompts = made.written_prompts()
    tokens = len(prompts[0]) if prompts else 0
    described = {"method": method, "layers": len(prompts), "tokens": tokens}
    changed = template.manifest.model_copy(update=described)
    return TaskFile(changed, prompts, template.head, parts)


def served(task: TaskFile, net: Backbone, images: Tensor) -> Tensor:
    with torch.no_grad():
        return task.head(net.features(images, task.prompts, task.parts))


def random_images(net: Backbone, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randn(count, *net.input_size, generator=generator)


def run(file: Path, images: Tensor) -> dict[str, Tensor]:
    """The outputs of ONNX Runtime by name."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = session.run(None, {"images": images.numpy()})
    return dict(zip(names, map(torch.from_numpy, found), strict=True))


def check(task: TaskFile, net: Backbone, file: Path) -> None:
    assert export_task(task, net, file) < 1e-4
    onnx.checker.check_model(onnx.load(file))
    for count in (1, 5):
        images = random_images(net, count)
        expected, found = served(task, net, images), run(file, images)
        torch.testing.assert_close(found["logits"], expected, atol=1e-4, rtol=0)
        torch.testing.assert_close(found["probabilities"], expected.softmax(-1), atol=1e-4, rtol=0)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


METHODS = ("vpt-deep", "lora", "vpt-deep+lora+bias", "adapter", "ssf", "prefix", "linear")


@pytest.fixture(scope="module")
def short() -> Backbone:
    """The embedded architecture with two layers, which an exporter is done with in seconds."""
    torch.manual_seed(0)
    return backbone.wrap(timm.create_model("facet_tiny", depth=2), name="short", device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("method", [*METHODS, "vpt-shallow", "adaptformer"])
def test_every_kind_of_task(method: str, short: Backbone, tmp_path: Path) -> None:
    check(learned(short, method), short, tmp_path / "pets.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["vpt-deep", "adaptformer+ssf"])
def test_swin(method: str, tmp_path: Path) -> None:
    net = backbone.wrap(build("swin"), device="cpu")
    check(learned(net, method), net, tmp_path / "pets.onnx")


@pytest.mark.long
@pytest.mark.parametrize("method", METHODS)
def test_every_kind_of_task_on_the_embedded_backbone(method: str, tmp_path: Path) -> None:
    net = backbone.load("facet-tiny", device="cpu")
    check(learned(net, method), net, tmp_path / "pets.onnx")
