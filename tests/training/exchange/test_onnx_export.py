"""An exported model gives the task's answers in ONNX Runtime, in batches of any size."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import Tensor

from facet_vision import backbone
from facet_vision.backbone import Backbone
from facet_vision.backbone.baking import bake
from facet_vision.prompts_store import Manifest, TaskFile, WrongBackbone
from facet_vision.training.errors import ExchangeError
from facet_vision.training.exchange import onnx_export
from facet_vision.training.exchange.onnx_export import export_task
from facet_vision.training.methods import find
from facet_vision.training.recipe import make_recipe
from tests.backbone.families import build
from tests.service.support.app import small_backbone, task_file

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


METHODS = (
    *("vpt-deep", "vpt-shallow", "lora", "bias", "adapter", "adaptformer", "ssf", "prefix"),
    *("vpt-deep+lora+bias+ssf+adapter", "vpt-shallow+adaptformer", "prefix+lora", "linear"),
)


@pytest.fixture(scope="module")
def short() -> Backbone:
    """The embedded architecture with two layers, which an exporter is done with in seconds."""
    torch.manual_seed(0)
    return backbone.wrap(timm.create_model("facet_tiny", depth=2), name="short", device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", ["vpt-deep+lora+bias", "adapter", "ssf", "prefix", "linear", "vpt-shallow"]
)
def test_every_kind_of_task(method: str, short: Backbone, tmp_path: Path) -> None:
    check(learned(short, method), short, tmp_path / "pets.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["vpt-deep", "adaptformer"])
def test_swin(method: str, tmp_path: Path) -> None:
    net = backbone.wrap(build("swin"), device="cpu")
    check(learned(net, method), net, tmp_path / "pets.onnx")


@pytest.mark.long
@pytest.mark.parametrize("method", METHODS)
def test_every_kind_of_task_on_swin(method: str, tmp_path: Path) -> None:
    net = backbone.wrap(build("swin"), device="cpu")
    check(learned(net, method), net, tmp_path / "pets.onnx")


@pytest.mark.long
@pytest.mark.parametrize("method", METHODS)
def test_every_kind_of_task_on_the_embedded_backbone(method: str, tmp_path: Path) -> None:
    net = backbone.load("facet-tiny", device="cpu")
    check(learned(net, method), net, tmp_path / "pets.onnx")


@pytest.fixture(scope="module")
def net() -> Backbone:
    return small_backbone()


@pytest.fixture(scope="module")
def exported(net: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("exported") / "pets.onnx"
    export_task(task_file(net, "pets", labels=("cat", "ä")), net, file)
    return file


def test_the_model_says_what_goes_in_and_what_comes_out(net: Backbone, exported: Path) -> None:
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    (images,) = session.get_inputs()
    assert (images.name, images.type) == ("images", "tensor(float)")
    assert images.shape == ["batch", *net.input_size]
    outputs = {each.name: (each.shape, each.type) for each in session.get_outputs()}
    assert outputs == {
        "logits": (["batch", 2], "tensor(float)"),
        "probabilities": (["batch", 2], "tensor(float)"),
    }
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["labels"]) == ["cat", "ä"]
    assert json.loads(told["preprocessing"]) == {
        "input_size": [3, 32, 32],
        "mean": list(net.mean),
        "std": list(net.std),
        "interpolation": "bicubic",
        "crop_pct": net.preprocess.crop_pct,
        "crop_mode": "center",
    }
    assert Manifest.from_json(told["facet"]).task == "pets"


def test_an_image_can_be_prepared_by_what_the_model_tells(net: Backbone, exported: Path) -> None:
    """As docs/exchange.md shows, without PyTorch; of an image that has the size already."""
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    told = json.loads(session.get_modelmeta().custom_metadata_map["preprocessing"])
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    mean, std = (np.array(told[name], np.float32) for name in ("mean", "std"))
    prepared = ((pixels.astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1)[None]
    ours = net.preprocess.normalise(torch.from_numpy(pixels).permute(2, 0, 1)[None])
    torch.testing.assert_close(torch.from_numpy(prepared), ours, atol=1e-6, rtol=1e-6)
    assert net.preprocess.pixels(Image.fromarray(pixels)).shape == (3, 32, 32)


@pytest.mark.parametrize("activation", ["sigmoid", "none"])
def test_other_activations(activation: str, net: Backbone, tmp_path: Path) -> None:
    task, file = task_file(net, "pets", activation=activation), tmp_path / "pets.onnx"
    export_task(task, net, file)
    images = random_images(net, 2)
    found, logits = run(file, images), served(task, net, images)
    torch.testing.assert_close(found.pop("logits"), logits, atol=1e-4, rtol=0)
    if activation == "sigmoid":
        torch.testing.assert_close(found.pop("probabilities"), logits.sigmoid(), atol=1e-4, rtol=0)
    assert found == {}


def test_weights_beyond_one_file_stand_beside_it(
    net: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "ONE_FILE_BYTES", 1000)
    task, file = task_file(net, "pets", layers=2), tmp_path / "pets.onnx"
    export_task(task, net, file)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets.onnx", "pets.onnx.data"]
    assert file.stat().st_size < (tmp_path / "pets.onnx.data").stat().st_size
    images = random_images(net, 2)
    expected = served(task, net, images)
    torch.testing.assert_close(run(file, images)["logits"], expected, atol=1e-4, rtol=0)


def test_a_task_of_another_backbone_is_refused(net: Backbone, tmp_path: Path) -> None:
    with pytest.raises(WrongBackbone, match="fingerprint"):
        export_task(task_file(small_backbone(1), "pets"), net, tmp_path / "pets.onnx")


def test_a_model_that_answers_otherwise_is_not_written(
    net: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "bake", lambda net, *_: bake(net))  # without its prompts
    with pytest.raises(ExchangeError, match=r"pets.onnx: expected the logits .* found other"):
        export_task(task_file(net, "pets", layers=2), net, tmp_path / "pets.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_told_in_one_sentence(net: Backbone) -> None:
    class Data(torch.nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images if float(images.sum()) > 0 else -images

    with pytest.raises(ExchangeError, match="expected a network that PyTorch can export") as error:
        onnx_export.exported(Data(), net.input_size, ["x"])
    assert "\n" not in str(error.value)


def test_a_batch_of_one_size_where_it_is_wanted(net: Backbone) -> None:
    program = onnx_export.exported(net.model, net.input_size, ["features"], any_batch=False)
    assert list(program.model.graph.inputs[0].shape) == [1, *net.input_size]
