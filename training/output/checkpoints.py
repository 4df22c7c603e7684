"""Training checkpoints of methods that cannot be served from the shared backbone.

A safetensors file like a task file, but its tensors are whatever the method trained, under the
method's own parameter names, and the manifest has another metadata key. `prompts_store` refuses
the file by that key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Manifest, durable
from facet_vision.prompts_store.fits import check_fits
from facet_vision.prompts_store.header import CHECKPOINT_KEY
from facet_vision.training.errors import CheckpointError
from facet_vision.training.methods import Method, find
from facet_vision.training.recipe import Recipe, make_recipe


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The manifest of a trained task and the tensors that its method changed or added, float32."""

    manifest: Manifest
    tensors: Mapping[str, Tensor]

    def save(self, path: Path) -> None:
        """Write atomically: a file at `path` stays until the new one is whole."""
        data = safetensors.torch.save(dict(self.tensors), {CHECKPOINT_KEY: self.manifest.to_json()})
        durable.replace(path, data)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a file that `save` wrote; raise CheckpointError or InvalidManifest."""
        try:
            with safe_open(path, "pt") as file:
                manifest = (file.metadata() or {}).get(CHECKPOINT_KEY)
                names = file.keys()
                tensors = {name: file.get_tensor(name) for name in names}
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"checkpoint: expected a safetensors file, found {path} ({error})"
            ) from error
        if manifest is None:
            raise CheckpointError(
                f"checkpoint: expected metadata '{CHECKPOINT_KEY}', found none in {path}"
            )
        return cls(Manifest.from_json(manifest), tensors)

    def restore(self, backbone: Backbone) -> Method:
        """Return the method as it was when training ended, in evaluation mode.

        Raises:
            WrongBackbone: it was trained on another backbone.
            CheckpointError: the tensors are not those of the method.
        """
        manifest = self.manifest
        check_fits(manifest, (), backbone.feature_dim, backbone)
        # the initial values do not matter: every trained tensor is overwritten
        generator = torch.Generator()
        method = find(manifest.method)(backbone, len(manifest.labels), self._recipe(), generator)
        _check_names(method, self.tensors)
        method.load_state_dict(self.tensors, strict=False)
        return method.to(backbone.device).eval()

    def _recipe(self) -> Recipe:
        """Return the training's recipe without local files: their content is in the tensors."""
        manifest = self.manifest
        given = {name: value for name, value in manifest.recipe.items() if name != "side_weights"}
        own_fields = {"data": manifest.data, "task": manifest.task, "method": manifest.method}
        return make_recipe(given | own_fields, {})


def _check_names(method: Method, tensors: Mapping[str, Tensor]) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in method.written_tensors().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise CheckpointError(
                f"checkpoint tensor '{name}': expected shape {expected.get(name)}, "
                f"found {found.get(name)}"
            )
