"""Prefixes and tables that others write around the same weights."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from facet_vision.backbone import BackboneError
from facet_vision.backbone.checkpoints import fill, load_checkpoint
from tests.backbone.families import build

State = dict[str, torch.Tensor]


def under(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": value for name, value in state.items()}


HEAD = {"head.weight": torch.zeros(7, 32), "head.bias": torch.zeros(7)}
FORMS: dict[str, Callable[[State], Any]] = {
    **{
        prefix: lambda state, prefix=prefix: under(prefix, state)
        for prefix in ("model.", "net.", "timm_model.", "backbone.", "module.", "encoder.")
    },
    "module.model.backbone.": lambda state: under("module.model.backbone.", state),
    "_orig_mod.": lambda state: under("_orig_mod.", state),
    "another head": lambda state: state | HEAD,
    "head beside a prefix": lambda state: under("backbone.", state) | {"fc.bias": torch.zeros(3)},
    "model": lambda state: {"model": state, "epoch": 3, "optimizer": {"state": {}}},
    "state_dict": lambda state: {"state_dict": under("model.", state), "callbacks": {"best": 1}},
    "teacher": lambda state: {"teacher": under("backbone.", state), "args": argparse.Namespace()},
    "table in a table": lambda state: {"teacher": {"backbone": state}},
    "average beside": lambda state: {
        "state_dict": {name: value + 1 for name, value in state.items()},
        "state_dict_ema": state,
    },
    "average beside as a prefix": lambda state: (
        under("model.", {name: value + 1 for name, value in state.items()}) | under("ema.", state)
    ),
    "twice the same": lambda state: {"model": state, "module": under("module.", state)},
    "projector beside": lambda state: {
        "encoder": under("module.", state),
        "predictor": {"fc.weight": torch.ones(2)},
    },
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("variant", ["plain", "swin", "clip"])
def test_the_weights_are_found_in_what_others_write(
    variant: str, form: str, tmp_path: Path
) -> None:
    theirs, model = build(variant, seed=1), build(variant, seed=2)
    theirs.reset_classifier(0)
    model.reset_classifier(0)
    path = tmp_path / "theirs.pth"
    torch.save(FORMS[form](theirs.state_dict()), path)
    assert load_checkpoint(model, path) == ""
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model(images), theirs(images))


def test_different_weights_that_both_fit_are_refused() -> None:
    one, other = (build("plain", seed=seed).state_dict() for seed in (1, 2))
    model = build("plain", seed=3)
    before = model.norm.bias.clone()
    words = "different ones at student/backbone. and teacher/backbone.; save those you mean"
    content = {"student": under("backbone.", one), "teacher": under("backbone.", other)}
    with pytest.raises(BackboneError, match=words):
        fill(model, content, "dino.pth")
    assert model.norm.bias.equal(before)


def test_a_name_inside_the_network_that_the_model_lacks_is_refused_behind_a_prefix_too() -> None:
    state = build("plain").state_dict() | {"blocks.0.attn.gate": torch.ones(1)}
    with pytest.raises(
        BackboneError, match=r"0 tensors missing, 1 unknown .*blocks\.0\.attn\.gate"
    ):
        fill(build("plain"), under("model.", state), "theirs.pth")


def test_a_file_without_tensors_is_refused() -> None:
    with pytest.raises(BackboneError, match="expected tensors by name, found none"):
        fill(build("plain"), {"epoch": 3, "args": {"lr": 0.1}}, "theirs.pth")
