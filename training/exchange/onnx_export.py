"""A task with its backbone as one ONNX model.

The model takes `images`, float32 (batch, 3, height, width) as the backbone's preprocessing makes
them, in batches of any size, and gives what a server computes of them: `logits`, divided by the
task's temperature, and, where the task has an activation, `probabilities`, both (batch, labels);
where its file states a threshold, `distance` (batch,) as well. Labels, preprocessing and manifest
are in its metadata.
"""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from facet_vision.backbone import Backbone
from facet_vision.backbone.baking import bake
from facet_vision.common.errors import UsageError
from facet_vision.prompts_store import TaskFile
from facet_vision.prompts_store.header import METADATA_KEY
from facet_vision.training.errors import ExchangeError
from facet_vision.training.evaluation.measures import activated

if TYPE_CHECKING:
    from torch.onnx import ONNXProgram

INPUT = "images"
LOGITS, PROBABILITIES, DISTANCE = "logits", "probabilities", "distance"

ONE_FILE_BYTES = 2**31 - 2**24
"""Most bytes of weights in one file: protobuf ends at 2 GiB, and the graph needs some."""

TOLERANCE = 1e-3
"""Most by which an output may differ, per unit of its largest number, for a model to be written."""

BATCHES = (1, 3)
"""Sizes of the batches that are tried."""


class TaskNetwork(nn.Module):
    """From preprocessed images to the answers of one task."""

    def __init__(self, task: TaskFile, backbone: Backbone) -> None:
        super().__init__()
        self.features = bake(backbone, task.prompts, task.parts)
        self._head = task.head.to(backbone.device, backbone.dtype)
        distance = task.far()
        self._distance = distance and distance.to(backbone.device, backbone.dtype)
        self._manifest = task.manifest

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs."""
        has_probabilities = self._manifest.activation != "none"
        return [
            LOGITS,
            *([PROBABILITIES] if has_probabilities else []),
            *([DISTANCE] if self._distance else []),
        ]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for images (batch, 3, height, width)."""
        return self.answers(self.features(images))

    def answers(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for pooled features (batch, feature_dim)."""
        logits = self._head(features) / (self._manifest.temperature or 1)
        found = {
            LOGITS: logits,
            PROBABILITIES: activated(logits, self._manifest.activation),
        }
        if self._distance is not None:
            found[DISTANCE] = self._distance(features)
        return tuple(found[name] for name in self.outputs)


def export_task(task: TaskFile, backbone: Backbone, path: Path) -> float:
    """Write the model of a task, once ONNX Runtime has been seen to give the task's answers.

    Weights of more than `ONE_FILE_BYTES` go to a second file beside it, `NAME.data`.

    Args:
        backbone: in float32.

    Returns:
        The largest difference of a logit on random images.

    Raises:
        WrongBackbone: the task was learned on another backbone.
        UsageError: a package of the extra `onnx` is not installed.
        ExchangeError: PyTorch cannot export it, or ONNX Runtime gives other answers.
    """
    task.check_fits(backbone)
    check_installed()
    network = TaskNetwork(task, backbone)
    program = exported(network, backbone.input_size, network.outputs)
    program.model.metadata_props.update(metadata(task, backbone))
    weights = [value.const_value for value in program.model.graph.initializers.values()]
    size = sum(weight.nbytes for weight in weights if weight is not None)
    with tempfile.TemporaryDirectory(dir=path.absolute().parent) as folder:
        written = Path(folder) / path.name
        program.save(written, external_data=size > ONE_FILE_BYTES)
        difference = _compared(written, network, task, backbone)
        # the weights first: a model that is there is whole
        for file in sorted(Path(folder).iterdir(), key=lambda file: file == written):
            os.replace(file, path.with_name(file.name))
    return difference


def exported(
    network: nn.Module,
    input_size: tuple[int, int, int],
    outputs: Sequence[str],
    *,
    any_batch: bool = True,
) -> ONNXProgram:
    """Return the ONNX program of a network on the CPU that takes images.

    Args:
        input_size: channels, height and width.
        outputs: their names.
        any_batch: False for batches of one image alone.

    Raises:
        ExchangeError: PyTorch cannot export it.
    """
    images = (torch.zeros(2 if any_batch else 1, *input_size),)
    shapes = ({0: torch.export.Dim("batch")},) if any_batch else None
    # With gradients, changes of a task are added without writing into what they are added to.
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")  # the exporter's remarks about itself
        try:
            # By itself first, since the next would fix the size of the batch where it must.
            traced = torch.export.export(network, images, dynamic_shapes=shapes)
            program = torch.onnx.export(
                traced,
                images,
                dynamo=True,
                input_names=[INPUT],
                output_names=list(outputs),
                dynamic_shapes=shapes,
                verbose=False,
            )
        except Exception as error:  # both raise many kinds, with explanations of many lines
            reason = str(error).strip().partition("\n")[0]
            raise ExchangeError(
                f"onnx: expected a network that PyTorch can export, found: {reason}"
            ) from error
    assert program is not None  # as dynamo promises
    return program


def metadata(task: TaskFile, backbone: Backbone) -> dict[str, str]:
    """Return what the model says of itself, each value JSON.

    `labels` are the names of the outputs in their order, `preprocessing` is what makes an input of
    an image, and `facet` is the manifest.
    """
    preprocess = backbone.preprocess
    return {
        "labels": json.dumps(list(task.manifest.labels), ensure_ascii=False),
        "preprocessing": json.dumps(asdict(preprocess)),
        METADATA_KEY: task.manifest.to_json(),
    }


def check_installed() -> None:
    """Raise UsageError unless the packages of the extra `onnx` are there."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "export: expected the packages of the extra `onnx` (pip install 'facet-vision[onnx]'), "
            f"found no {error.name}"
        ) from error


@torch.no_grad()
def _compared(model: Path, network: TaskNetwork, task: TaskFile, backbone: Backbone) -> float:
    """Return the largest difference of a logit from what the task's own adaptation and head give.

    Raises:
        ExchangeError: an output differs by more than its tolerance.
    """
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for count in BATCHES:
        images = torch.randn(count, *backbone.input_size, generator=generator)
        expected = network.answers(backbone.features(images, task.prompts, task.parts))
        found = map(torch.from_numpy, session.run(network.outputs, {INPUT: images.numpy()}))
        for name, ours, theirs in zip(network.outputs, expected, found, strict=True):
            difference = float((theirs - ours).abs().max())
            if not difference <= TOLERANCE * max(1.0, float(ours.abs().max())):
                raise ExchangeError(
                    f"{model.name}: expected the {name} of the task from ONNX Runtime, "
                    f"found other numbers, by {difference:.2g}"
                )
            worst = max(worst, difference if name == LOGITS else 0.0)
    return worst
