"""Every registered method on a small random ViT and Swin."""

from functools import cache

import torch

from facet_vision import backbone
from facet_vision.backbone import Backbone
from facet_vision.training.methods import METHODS, Instant, find
from facet_vision.training.methods.method import Method
from facet_vision.training.recipe import Recipe, make_recipe
from tests.backbone import families

INSTANT = [name for name, kind in METHODS.items() if issubclass(kind, Instant)]
NAMES = [name.replace("-k", "-2") for name in METHODS if name not in INSTANT]
"""Methods with a gradient, with two layers where a number is needed."""
NAMES.append("vpt-deep+lora+bias")
SERVED = [name for name in NAMES if find(name).served]
NOT_SERVED = [name for name in NAMES if not find(name).served]


@cache
def network(variant: str) -> Backbone:
    """Return a network shared by all tests: no method may change it."""
    return backbone.wrap(families.build(variant), name=variant, device="cpu")


def recipe(name: str, **given: object) -> Recipe:
    return make_recipe({"data": "x", "task": "x", "method": name} | given, find(name).defaults)


def method(name: str, net: Backbone, seed: int = 0, **given: object) -> Method:
    return find(name)(net, 3, recipe(name, **given), torch.Generator().manual_seed(seed))


def nudged(made: Method) -> Method:
    """Move a method away from initial values of zero, at which some gradients vanish."""
    with torch.no_grad():
        for parameter in made.trained().values():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return made


def features(made: Method, images: torch.Tensor) -> torch.Tensor:
    """Return the features of images that were not prepared."""
    return made.features(made.frozen_part(images))


def logits(made: Method, images: torch.Tensor) -> torch.Tensor:
    return made(made.frozen_part(images))


def images(count: int = 4, seed: int = 0) -> torch.Tensor:
    """Return noise of the networks' input size."""
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
