"""The task file of an adapter."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Head, Manifest, TaskFile
from facet_vision.prompts_store.layout import kinds
from facet_vision.training.errors import ExchangeError
from facet_vision.training.exchange.labels import Labels
from facet_vision.training.output.writing import backbone_facts

from .adapter import Adapter
from .base import check_base
from .parts import parts_of


def to_task(
    adapter: Adapter,
    backbone: Backbone,
    *,
    task: str,
    labels: Labels,
    own_weights: bool = False,
) -> TaskFile:
    """Make a task of an adapter; its tensors are float32, and it has no metrics.

    Args:
        backbone: the base that the adapter was trained on, in float32 on the CPU.
        task: the task's name.
        labels: of the head's outputs.
        own_weights: see `check_base`.

    Raises:
        ExchangeError: the adapter does not fit the backbone, the labels or a task file.
        TaskFileError: a name or a value that no task file may hold.
    """
    check_base(adapter, backbone, own_weights=own_weights)
    classes = len(adapter.head[0])
    if len(labels.names) != classes:
        raise ExchangeError(
            f"labels: expected {classes}, as the head has, found {len(labels.names)}"
        )
    parts = parts_of(adapter, backbone)
    manifest = Manifest.from_json(
        json.dumps(
            {
                "task": task,
                "method": "+".join(kinds(parts)) or "linear",
                "layers": 0,
                "tokens": 0,
                "head": "linear",
                "labels": list(labels.names),
                "activation": "sigmoid" if labels.several else "softmax",
                "data": _source(adapter),
                "recipe": _recipe(adapter),
                "metrics": {},
                "created": datetime.now(UTC).isoformat(),
                **backbone_facts(backbone),
            }
        )
    )
    return TaskFile(manifest, (), Head((adapter.head,)), parts)


def _source(adapter: Adapter) -> str:
    base = adapter.config.base_model_name_or_path or "a base without a name"
    return f"PEFT adapter {adapter.folder[:200]} of {base[:200]}"


def _recipe(adapter: Adapter) -> dict[str, Any]:
    """Return what the adapter's settings say, under PEFT's names."""
    config = adapter.config
    targets = config.target_modules or ""
    told = {
        "peft_version": config.peft_version,
        "base_model_name_or_path": config.base_model_name_or_path,
        "target_modules": targets if isinstance(targets, str) else ", ".join(sorted(targets)),
        "r": config.r,
        "lora_alpha": config.lora_alpha,
        "rank_pattern": json.dumps(config.rank_pattern) if config.rank_pattern else None,
        "alpha_pattern": json.dumps(config.alpha_pattern) if config.alpha_pattern else None,
        "use_rslora": config.use_rslora,
        "bias": config.bias,
    }
    return {name: value for name, value in told.items() if value is not None}
