"""What a method can learn for a task file, each kind alone or summed with others, by name."""

from __future__ import annotations

from .adapter import Adapter, AdaptFormer
from .bias import Bias
from .component import Component
from .lora import LoRA
from .prefix import LearnedKeys
from .ssf import SSF
from .vpt import DeepPrompts, ShallowPrompts

COMPONENTS: dict[str, type[Component]] = {
    component.name: component
    for component in (
        ShallowPrompts,
        DeepPrompts,
        LearnedKeys,
        Bias,
        SSF,
        Adapter,
        AdaptFormer,
        LoRA,
    )
}

__all__ = ["COMPONENTS", "Component"]
