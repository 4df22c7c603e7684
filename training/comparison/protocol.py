"""Facts of a comparison's protocol."""

from __future__ import annotations

from collections.abc import Mapping

from facet_vision.backbone import Backbone
from facet_vision.training.experiments.grids import SPLIT_FIELDS
from facet_vision.training.experiments.protocol import Protocol, as_facts

from .plan import Plan

FILE = "protocol.json"
"""In the folder of the report."""


def protocol_of(plan: Plan, backbone: Backbone, images: Mapping[str, str]) -> Protocol:
    """Return the protocol of a plan.

    Args:
        images: a digest of the training images and labels of each source.
    """
    recipes = {method: plan.recipe(method, plan.sources[0]) for method in plan.methods}
    first = recipes[plan.methods[0]]
    groups = {source: group for group, sources in plan.groups.items() for source in sources}
    return Protocol.of(
        {
            "backbone": {"name": backbone.name, "fingerprint": backbone.fingerprint},
            "split": {name: getattr(first, name) for name in SPLIT_FIELDS},
            "seeds": plan.seeds,
            "tasks": {
                source: {"group": groups[source], "images": images[source]}
                for source in plan.sources
            },
            "methods": {method: as_facts(recipe) for method, recipe in recipes.items()},
        }
    )
