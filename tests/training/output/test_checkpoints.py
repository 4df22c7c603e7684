"""Checkpoints of methods that cannot be served, refused where a task file is expected."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import (
    InvalidManifest,
    Manifest,
    NotATaskFile,
    TaskFile,
    WrongBackbone,
)
from facet_vision.training.errors import CheckpointError
from facet_vision.training.methods import find
from facet_vision.training.output.checkpoints import Checkpoint
from tests.training.support.methods import images, logits, method, network, nudged, recipe


def _manifest(net: Backbone, name: str, **given: Any) -> Manifest:
    names = ("fingerprint", "identity", "pooling", "input_size", "mean", "std")
    facts = {key: getattr(net, key) for key in names}
    about = {
        "task": "t",
        "method": name,
        "backbone": net.name,
        "labels": ("a", "b", "c"),
        "data": "x",
    }
    form = {"layers": 0, "tokens": 0, "head": "linear", "activation": "softmax"}
    recorded = recipe(name, **given).hyperparameters(find(name).reads())
    return Manifest(
        **facts, **about, **form, recipe=recorded, metrics={}, created=datetime.now(UTC)
    )


def _checkpoint(name: str, net: Backbone, **given: Any) -> Checkpoint:
    made = nudged(method(name, net, **given))
    return Checkpoint(_manifest(net, name, **given), made.written_tensors())


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("bias-all", {}),
        ("full", {"dropout": 0.3}),
        ("partial-3", {}),
    ],
)
def test_restored_with_its_recipe(name: str, given: dict[str, Any], tmp_path: Path) -> None:
    made = nudged(method(name, network("plain"), **given)).eval()
    manifest = _manifest(network("plain"), name, **given)
    Checkpoint(manifest, made.written_tensors()).save(tmp_path / "c")
    restored = Checkpoint.load(tmp_path / "c").restore(network("plain"))
    assert not restored.training
    torch.testing.assert_close(logits(restored, images()), logits(made, images()))


def test_restoring_sidetune_needs_no_weight_file(tmp_path: Path) -> None:
    made = method("sidetune", network("plain"))
    manifest = _manifest(network("plain"), "sidetune")
    manifest = manifest.model_copy(
        update={"recipe": manifest.recipe | {"side_weights": "alexnet.pth"}}
    )
    Checkpoint(manifest, made.written_tensors()).save(tmp_path / "c")
    restored = Checkpoint.load(tmp_path / "c").restore(network("plain"))
    torch.testing.assert_close(logits(restored, images()), logits(made, images()))


def test_holds_trained_tensors_and_nothing_else() -> None:
    checkpoint = _checkpoint("bias-all", network("plain"))
    assert checkpoint.tensors.keys() == method("bias-all", network("plain")).trained().keys()
    assert {tensor.dtype for tensor in checkpoint.tensors.values()} == {torch.float32}


def test_save_replaces_atomically(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    _checkpoint("bias-all", network("plain")).save(path)
    _checkpoint("partial-2", network("plain")).save(path)
    assert Checkpoint.load(path).manifest.method == "partial-2"
    assert os.listdir(tmp_path) == [path.name]


def test_a_checkpoint_is_not_a_task_file(tmp_path: Path) -> None:
    _checkpoint("partial-2", network("plain")).save(tmp_path / "c")
    sentence = (
        "file: expected a task file, found a training checkpoint of method 'partial-2', "
        ".* cannot be served"
    )
    with pytest.raises(NotATaskFile, match=sentence):
        TaskFile.load(tmp_path / "c")


def test_a_checkpoint_belongs_to_its_backbone(tmp_path: Path) -> None:
    _checkpoint("partial-2", network("plain")).save(tmp_path / "c")
    with pytest.raises(
        WrongBackbone,
        match=r"^fingerprint \(weights\) of task 't': .* as backbone 'swin' has",
    ):
        Checkpoint.load(tmp_path / "c").restore(network("swin"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no tensors", r"^checkpoint: expected a safetensors file, found .*c \("),
        (None, r"^checkpoint: expected a safetensors file, found .*c \("),
        (
            safetensors.torch.save({"a": torch.zeros(1)}),
            r"^checkpoint: expected metadata 'facet-checkpoint', found",
        ),
    ],
)
def test_other_files_are_refused(content: bytes | None, sentence: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "c").write_bytes(content)
    with pytest.raises(CheckpointError, match=sentence):
        Checkpoint.load(tmp_path / "c")


def test_broken_manifests_are_refused(tmp_path: Path) -> None:
    data = safetensors.torch.save({"a": torch.zeros(1)}, {"facet-checkpoint": "{}"})
    (tmp_path / "c").write_bytes(data)
    with pytest.raises(
        InvalidManifest, match=r"^manifest field 'task': expected a value, found none$"
    ):
        Checkpoint.load(tmp_path / "c")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"head.bias": None}, r"'head.bias': expected shape \(3,\), found None$"),
        ({"head.bias": torch.zeros(4)}, r"'head.bias': expected shape \(3,\), found \(4,\)$"),
        ({"more": torch.zeros(2)}, r"'more': expected shape None, found \(2,\)$"),
    ],
)
def test_other_tensors_are_refused(changes: dict[str, Any], sentence: str) -> None:
    sound = _checkpoint("bias-all", network("plain"))
    tensors = {
        name: value for name, value in (sound.tensors | changes).items() if value is not None
    }
    with pytest.raises(CheckpointError, match=f"^checkpoint tensor {sentence}"):
        Checkpoint(sound.manifest, tensors).restore(network("plain"))
