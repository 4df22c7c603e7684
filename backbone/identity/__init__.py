"""The identity of a backbone: what its features depend on, and the fingerprint of it.

Three parts decide which features an image gets: the weights, what the architecture computes
beside them, and the preprocessing. `identity` states all three, `fingerprint` is a hash of the
statement. Device, precision and execution are no part of it. See docs/backbones.md.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import nn

from facet_vision.backbone.preprocess import Preprocess

from .architecture import architecture, canonical
from .weights import WITH_PROMPTS, classifier_prefixes, weights_digest

PREFIX = "v2:"
"""Version of the statement; version 1, without a prefix, was the hash of the weights alone."""

__all__ = ["PREFIX", "WITH_PROMPTS", "classifier_prefixes", "fingerprint", "identity"]


def identity(model: nn.Module, preprocess: Preprocess) -> dict[str, Any]:
    """State what the features of a backbone depend on, as a JSON document."""
    return {
        "weights": weights_digest(model),
        "architecture": architecture(model),
        "preprocessing": {name: canonical(value) for name, value in asdict(preprocess).items()},
    }


def fingerprint(stated: Mapping[str, Any]) -> str:
    """Return the fingerprint of an identity: "v2:" and the sha256 of its canonical JSON."""
    text = json.dumps(stated, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()
