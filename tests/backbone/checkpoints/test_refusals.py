"""Checkpoints that do not fit: the refusal names the likely cause, in one sentence."""

import re
from collections import OrderedDict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from facet_vision import backbone
from facet_vision.backbone import BackboneError
from facet_vision.backbone.checkpoints import fill, read
from tests.backbone.families import build

OTHERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "width": ("plain", {"embed_dim": 48}, "width: 32 here, 48 in the file"),
    "depth": ("plain", {"depth": 5}, "layers: 3 here, 5 in the file"),
    "mlp": ("plain", {"mlp_ratio": 2}, "width of the MLPs: 128 here, 64 in the file"),
    "registers": ("plain", {"reg_tokens": 4}, "register tokens: 0 here, 4 in the file"),
    "class token": (
        "plain",
        {"class_token": False, "global_pool": "avg", "fc_norm": False},
        "class token: one here, none in the file",
    ),
    "layer scale": ("plain", {"init_values": 0.1}, "layer scale: no here, yes in the file"),
    "norm": ("plain", {"pre_norm": True}, "norm before the layers: no here, yes in the file"),
    "bias": ("plain", {"qkv_bias": False}, "bias of queries, keys and values: yes here, no"),
    "average": ("average-fc-norm", {}, "norm of the pooled average: no here, yes in the file"),
    "channels": ("plain", {"in_chans": 1}, "channels: 3 here, 1 in the file"),
}


def refusal(model: Any, content: dict[str, Any]) -> str:
    with pytest.raises(BackboneError) as raised:
        fill(model, content, "theirs.pth")
    text = str(raised.value)
    assert text.startswith("checkpoint theirs.pth: expected ")
    assert "\n" not in text
    return text


@pytest.mark.parametrize("case", OTHERS)
def test_another_architecture_is_told_by_its_trait(case: str) -> None:
    variant, changes, words = OTHERS[case]
    text = refusal(build("plain"), build(variant, **changes).state_dict())
    assert words in text
    assert text.count(" here, ") == 1 or case in ("class token", "width")


def test_the_stages_of_a_swin_are_told() -> None:
    theirs = build("swin", depths=(2, 6)).state_dict()
    assert "layers: 2-2 here, 2-6 in the file" in refusal(build("swin"), theirs)


def test_positions_that_cannot_be_resampled_are_told() -> None:
    theirs = build("plain").state_dict()
    theirs["pos_embed"] = torch.zeros(1, 24, 32)
    assert "positions: 17 here, 24 in the file" in refusal(build("plain"), theirs)


def test_another_kind_of_network_is_told_by_its_names() -> None:
    theirs = {f"layer1.{n}.conv1.weight": torch.zeros(8, 8, 3, 3) for n in range(9)}
    words = "another kind of network: layer1.0.conv1.weight, layer1.1.conv1.weight, "
    assert words in refusal(build("plain"), theirs)


def test_an_adapter_is_told() -> None:
    name = "base_model.model.blocks.0.attn.qkv.lora_A.weight"
    text = refusal(build("plain"), {name: torch.zeros(8, 32)})
    assert "it holds a LoRA adapter; merge it" in text


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.float8_e4m3fn])
def test_codes_of_the_right_shape_are_not_taken_for_weights(dtype: torch.dtype) -> None:
    theirs = build("plain").state_dict()
    name = "blocks.1.mlp.fc1.weight"
    theirs[name] = theirs[name].to(dtype)
    text = refusal(build("plain"), theirs)
    assert f"1 unknown or of another shape: {name} (its weights are quantised" in text


def test_scales_beside_codes_are_told() -> None:
    theirs = build("plain").state_dict()
    theirs["blocks.0.mlp.fc1.weight"] = torch.zeros(2048, 1, dtype=torch.uint8)
    theirs["blocks.0.mlp.fc1.weight.absmax"] = torch.ones(64)
    assert "its weights are quantised" in refusal(build("plain"), theirs)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(value: float, tmp_path: Path) -> None:
    net = backbone.load("facet-tiny", device="cpu")
    state = net.model.state_dict()
    state["blocks.3.mlp.fc2.bias"][7] = value
    save_file(state, tmp_path / "weights.safetensors")
    words = r"expected finite weights, found others in blocks\.3\.mlp\.fc2\.bias"
    with pytest.raises(BackboneError, match=words):
        backbone.load("facet-tiny", checkpoint=tmp_path / "weights.safetensors", device="cpu")


def test_large_weights_are_finite(tmp_path: Path) -> None:
    state = backbone.load("facet-tiny", device="cpu").model.state_dict()
    state["blocks.3.mlp.fc2.bias"][:] = 3e38  # their sum is not finite
    save_file(state, tmp_path / "weights.safetensors")
    net = backbone.load("facet-tiny", checkpoint=tmp_path / "weights.safetensors", device="cpu")
    assert net.model.blocks[3].mlp.fc2.bias.max() > 2e38


@pytest.mark.parametrize("content", [[1, 2], torch.ones(3), "text"])
def test_a_pickle_of_something_else_is_refused(content: object, tmp_path: Path) -> None:
    path = tmp_path / "theirs.pth"
    torch.save(content, path)
    with pytest.raises(BackboneError, match="expected tensors by name, found a"):
        read(path)


def test_a_pickle_that_needs_code_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "theirs.pth"
    torch.save({"model": OrderedDict(), "took": timedelta(seconds=3)}, path)
    with pytest.raises(BackboneError) as raised:
        read(path)
    text = str(raised.value)
    assert re.search(r"found: .*datetime\.timedelta", text)
    assert "\n" not in text
    assert "add_safe_globals" not in text


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="expected a file, found a folder"):
        read(tmp_path)
