"""Trainings that are killed twice end with the same bits as undisturbed ones."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from facet_vision.prompts_store import TaskFile
from facet_vision.training.fitting.loop import ignore
from facet_vision.training.output.checkpoints import Checkpoint
from tests.training.support.killed import LAST, Training, kill, saved_every_epoch

TRAININGS = {
    "vpt-deep": Training({"method": "vpt-deep", "tokens": 2}),
    "sgd": Training({"method": "vpt-shallow", "tokens": 2, "optimizer": "sgd"}),
    "dropout": Training({"method": "full", "dropout": 0.3}),
    "stochastic depth": Training({"method": "full"}, network="swin"),
    "batch norm and dropout": Training({"method": "mlp-3", "dropout": 0.3}),
    "lora": Training({"method": "lora"}),
    "random augmentation": Training(
        {"method": "vpt-deep", "tokens": 2, "augment": "timm", "auto_augment": "rand-m9"}
    ),
    "early stop": Training({"method": "vpt-deep", "tokens": 2, "patience": 5}),
    "several labels": Training({"method": "adapter", "patience": 5}, multi_label=True),
    "bfloat16": Training(
        {"method": "vpt-deep", "tokens": 2, "augment": "fgvc", "precision": "bfloat16"}
    ),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_ends_with_the_same_bits(name: str, tmp_path: Path) -> None:
    training = TRAININGS[name]
    rng = np.random.default_rng(list(name.encode()))
    alone = training.run(saved_every_epoch(tmp_path / "alone"), ignore)
    for _ in range(2):
        kill(training, tmp_path / "killed", int(rng.integers(LAST + 1)), rng.uniform(0, 0.01))
    resumed = training.run(saved_every_epoch(tmp_path / "killed"), ignore)
    assert _bits(resumed) == _bits(alone)
    assert resumed.manifest.model_copy(update={"created": alone.manifest.created}) == alone.manifest
    first, second = (
        torch.load(tmp_path / part / "state.pt")["fitting"] for part in ("alone", "killed")
    )
    assert _tensors(first) == _tensors(second)
    assert _epochs(tmp_path / "killed") == _epochs(tmp_path / "alone")


def _bits(written: TaskFile | Checkpoint) -> list[bytes]:
    if isinstance(written, Checkpoint):
        tensors = list(written.tensors.values())
    else:
        tensors = [*written.prompts, *(tensor for layer in written.head.layers for tensor in layer)]
    return [tensor.numpy().tobytes() for tensor in tensors]


def _tensors(state: object) -> list[bytes]:
    """Return every tensor of the state in order: weights, moments, generators."""
    if isinstance(state, torch.Tensor):
        return [state.numpy().tobytes()]
    if isinstance(state, dict):
        state = list(state.values())
    if not isinstance(state, list | tuple):
        return []
    return [bits for value in state for bits in _tensors(value)]


def _epochs(folder: Path) -> list[dict[str, float]]:
    """Return the log without the values that depend on the clock."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    clocked = {"seconds", "images_per_second"}
    return [{name: line[name] for name in line.keys() - clocked} for line in lines]
