"""`facet push` says why a training checkpoint cannot be served, before it asks any server."""

import json
from pathlib import Path

import safetensors.torch
import torch
from typer.testing import CliRunner

from facet_vision.cli import app


def test_push_says_why_a_checkpoint_cannot_be_served(tmp_path: Path) -> None:
    metadata = {"facet-checkpoint": json.dumps({"method": "full"})}
    # four dimensions and large: neither is what is wrong with it
    safetensors.torch.save_file(
        {"model.patch_embed.proj.weight": torch.zeros(8, 3, 4, 4)}, tmp_path / "c", metadata
    )
    result = CliRunner().invoke(
        app, ["push", str(tmp_path / "c"), "--to", "http://127.0.0.1:9"], env={"COLUMNS": "400"}
    )
    assert result.exit_code == 1
    assert result.stderr == (
        "facet push: file: expected a task file, found a training checkpoint of method 'full', "
        "which computes with a network of its own, so it cannot be served from the shared "
        "backbone\n"
    )
