"""Adapters that PEFT itself has made, with random values, of small networks."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from facet_vision import backbone
from facet_vision.backbone import Backbone
from facet_vision.backbone.checkpoints import load_checkpoint
from facet_vision.prompts_store import TaskFile
from facet_vision.training.exchange.labels import Labels
from facet_vision.training.exchange.peft import read_adapter, to_task
from tests.backbone.families import build

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
    "layer_norm_eps": 1e-6,
    "num_labels": 5,
}
SWIN: dict[str, Any] = {
    "image_size": 32,
    "patch_size": 4,
    "embed_dim": 12,
    "depths": [2, 2],
    "num_heads": [2, 4],
    "window_size": 4,
    "num_labels": 5,
}
LABELS = Labels(["a", "b", "c", "d", "e"])


@dataclass(frozen=True)
class Trained:
    """An adapter on its base, its folder, and the backbone that the base is."""

    model: Any
    folder: Path
    net: Backbone

    def logits(self, images: Tensor) -> Tensor:
        """What PEFT answers."""
        with torch.no_grad():
            found = self.model(images)
        return getattr(found, "logits", found)

    def task(self, **options: Any) -> TaskFile:
        """The adapter as a task."""
        adapter = read_adapter(self.folder)
        return to_task(adapter, self.net, **({"task": "pets", "labels": LABELS} | options))

    def change(self, file: str = "adapter_config.json", **fields: Any) -> None:
        """Write other settings."""
        path = self.folder / file
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def images(count: int = 3) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def answers(task: TaskFile, net: Backbone, inputs: Tensor) -> Tensor:
    """The logits that Facet gives."""
    with torch.no_grad():
        return task.head(net.features(inputs, task.prompts, task.parts))


def timm_adapter(folder: Path, variant: str = "plain", **options: Any) -> Trained:
    """Adapt one of timm's networks."""
    net = backbone.wrap(build(variant), device="cpu")
    given = {"modules_to_save": ["head"]} | options
    return Trained(adapted(build(variant), folder, **given), folder, net)


def transformers_adapter(
    folder: Path, make: Callable[[], Any], variant: str = "plain", **options: Any
) -> Trained:
    """Adapt one of the networks of `transformers`; the backbone is made of its file."""
    base = randomised(make())
    base.save_pretrained(folder / "base")
    model = build(variant)
    load_checkpoint(model, folder / "base" / "model.safetensors")
    given = {"modules_to_save": ["classifier"]} | options
    return Trained(adapted(base, folder, **given), folder, backbone.wrap(model, device="cpu"))


def randomised(model: Any, names: str = "", seed: int = 5) -> Any:
    """Give the parameters whose names hold a word values that leave no term near zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if names in name:
            mean = 0.0 if parameter.ndim > 1 else 0.5
            parameter.data = mean + 0.2 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def adapted(base: nn.Module, folder: Path, seed: int = 7, **options: Any) -> Any:
    """Make an adapter as PEFT does, with random values where it trains, and save it."""
    import peft

    torch.manual_seed(seed)
    config = peft.LoraConfig(**({"r": 4, "init_lora_weights": False} | options))
    model = peft.get_peft_model(base, config)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    model.eval().save_pretrained(folder)
    return model
