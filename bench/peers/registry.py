"""The peers by name, with their packages and requests.

None is imported here: each runs in a process of its own.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from facet_vision.bench.load import Target
from facet_vision.bench.measuring.environment import package
from facet_vision.bench.servers.materials import Materials
from facet_vision.bench.servers.serving import JPEG


@dataclass(frozen=True)
class Peer:
    """One alternative.

    Attributes:
        title: its name in tables.
        module: its server, run with `python -m`.
        packages: the distributions that it needs.
        path, headers: of a request; {task} stands for the task.
        precisions: those that it can compute in.
        preparation: a module that is run once before the first round.
    """

    title: str
    module: str
    packages: tuple[str, ...]
    path: str = "/{task}"
    headers: dict[str, str] = field(default_factory=dict)
    precisions: tuple[str, ...] = ("float32", "bfloat16", "float16")
    preparation: str | None = None

    @property
    def missing(self) -> list[str]:
        """Distributions that are not installed."""
        return [name for name in self.packages if package(name) is None]

    def targets(self, tasks: Sequence[str]) -> list[Target]:
        """Return a target for each task, at equal load."""
        return [
            Target(self.path.format(task=task), headers=JPEG | self._headers(task))
            for task in tasks
        ]

    def command(self, module: str, materials: Materials, **options: Any) -> list[str]:
        """Return the command that runs one of its modules; `options` are those of `work`."""
        common = {
            "backbone": materials.backbone,
            "checkpoint": materials.weights,
            "folder": materials.folder,
            "dtype": materials.dtype,
            "tasks": ",".join(materials.tasks),
        }
        command = [sys.executable, "-m", module]
        for name, value in (common | options).items():
            command += [f"--{name}", str(value)]
        return command

    def _headers(self, task: str) -> dict[str, str]:
        return {name: value.format(task=task) for name, value in self.headers.items()}


PEERS = {
    "fastapi": Peer(
        "FastAPI, a timm model per task",
        "facet_vision.bench.peers.fastapi_timm",
        ("fastapi", "timm"),
    ),
    "litserve": Peer(
        "LitServe, a timm model per task, batching",
        "facet_vision.bench.peers.litserve_timm",
        ("litserve", "timm"),
    ),
    "peft": Peer(
        "PEFT LoRA, mixed adapters in a batch, behind LitServe",
        "facet_vision.bench.peers.peft_lora",
        ("peft", "litserve", "timm"),
        path="/predict?task={task}",
    ),
    "ray": Peer(
        "Ray Serve, multiplexed timm models, batching",
        "facet_vision.bench.peers.ray_multiplex",
        ("ray", "timm"),
        path="/",
        headers={"serve_multiplexed_model_id": "{task}"},
    ),
    "onnx": Peer(
        "ONNX Runtime, a session per task, behind FastAPI",
        "facet_vision.bench.peers.onnx_sessions",
        ("onnxruntime", "onnx", "onnxscript", "fastapi"),
        precisions=("float32",),
        preparation="facet_vision.bench.peers.onnx_export",
    ),
}
