"""Made-up trainings for the tests of reports."""

from collections.abc import Sequence
from typing import Any

from facet_vision.training.comparison.records import Comparison, TrainingResult


def trained(
    method: str, task: str = "a", seed: int = 0, accuracy: float = 0.5, **others: Any
) -> TrainingResult:
    values: dict[str, Any] = {
        "validation": None,
        "parameters": 10,
        "head_parameters": 10,
        "seconds": 2.0,
        "images_per_second": 50.0,
        "peak_bytes": 2**20,
        "chosen": {},
        "ends": {},
        "training_images": 30,
        "held_out_images": 50,
        "held_out": f"{task} {seed}",
        "served": method.startswith(("vpt", "linear", "mlp")),
    }
    return TrainingResult(
        method=method, task=task, seed=seed, accuracy=accuracy, **{**values, **others}
    )


def over_seeds(
    method: str, task: str, accuracies: Sequence[float], **others: Any
) -> list[TrainingResult]:
    """Return one training for each accuracy, with seeds from 0."""
    return [
        trained(method, task, seed, accuracy, **others) for seed, accuracy in enumerate(accuracies)
    ]


def comparison(cells: Sequence[TrainingResult], **others: Any) -> Comparison:
    """Return a comparison of exactly these cells, in one group."""
    values: dict[str, Any] = {
        "backbone": "test-vit",
        "fingerprint": "f" * 64,
        "backbone_parameters": 1000,
        "groups": {"tasks": tuple(dict.fromkeys(cell.task for cell in cells))},
        "methods": tuple(dict.fromkeys(cell.method for cell in cells)),
        "seeds": tuple(dict.fromkeys(cell.seed for cell in cells)),
        "command": "facet compare a b",
        "protocol": "d" * 64,
        "about": {"machine": "an abacus"},
    }
    return Comparison(cells=tuple(cells), **{**values, **others})
