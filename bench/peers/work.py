"""The command line of a peer's server, and the answer that all of them give.

It imports no torch, which the ONNX peer does without.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOP = 5

# Files that the ONNX peer's preparation writes to the folder.
ONNX_NETWORK = "peer.onnx"
ONNX_CONFIG = "peer.json"


@dataclass(frozen=True)
class Work:
    """What to serve.

    Attributes:
        backbone, checkpoint, dtype: a timm name, its weights and the precision.
        folder: for files of a preparation.
        tasks: their names; task number n has the seed n.
        labels: classes of each task.
        batch: most images in a forward, where the peer batches.
    """

    backbone: str
    checkpoint: Path
    dtype: str
    folder: Path
    tasks: Sequence[str]
    labels: int
    batch: int
    port: int


def read_work() -> Work:
    """Parse the command line."""
    parser = argparse.ArgumentParser()
    for name in ("backbone", "dtype"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("checkpoint", "folder"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--tasks", type=lambda text: text.split(","), required=True)
    for name, value in (("labels", 10), ("batch", 32), ("port", 8000)):
        parser.add_argument(f"--{name}", type=int, default=value)
    return Work(**vars(parser.parse_args()))


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def answer(task: str, scores: Sequence[float]) -> dict[str, Any]:
    """Rank the labels of one image."""
    ranked = sorted(enumerate(scores), key=lambda pair: pair[1], reverse=True)[:TOP]
    return {
        "task": task,
        "predictions": [{"label": f"class {i}", "probability": float(p)} for i, p in ranked],
    }
