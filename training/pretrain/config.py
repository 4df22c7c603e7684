"""Settings of a pretraining run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facet_vision.backbone.tiny import NAMES


@dataclass(frozen=True)
class PretrainConfig:
    """Everything that decides the result of a run.

    Equal settings give equal weights on one machine.

    `batch` is the batch of one worker: one optimizer step sees `batch * workers` images.
    """

    folder: Path
    steps: int = 14_000
    batch: int = 64
    workers: int = 2
    seed: int = 0

    # Model: facet-tiny or a sibling of it, and changes of the arguments that it is registered with.
    architecture: str = "facet-tiny"
    model: tuple[tuple[str, int], ...] = ()

    # Images: their number, shape classes of each kind of silhouette, and variants of each class.
    pool: int = 300_000
    classes_per_kind: int = 256
    variants: int = 16

    # Optimisation: peak learning rates, warm-up as a share of the steps, share of dropped patches,
    # and the share of the steps in which patches are dropped.
    rate: float = 1e-3
    muon_rate: float = 3e-3
    warmup: float = 0.04
    weight_decay: float = 0.05
    clip: float = 1.0
    average_decay: float = 0.999
    patch_drop: float = 0.5
    patch_drop_until: float = 0.9

    # Weights of the losses.
    surface_weight: float = 0.5
    background_weight: float = 0.5
    dense_weight: float = 2.0

    # Bookkeeping, in steps; probe_every = 0 never probes.
    save_every: int = 500
    probe_every: int = 1_000
    log_every: int = 50

    @property
    def weights(self) -> Path:
        """The file of exported weights."""
        return self.folder / f"{NAMES[self.architecture]}.safetensors"

    def identity(self) -> dict[str, Any]:
        """Return what must be equal for a run to be resumed; its length may change.

        As JSON values, because it is compared with the one that was saved.
        """
        free = {"folder", "steps", "save_every", "probe_every", "log_every"}
        settings = {key: value for key, value in asdict(self).items() if key not in free}
        identity: dict[str, Any] = json.loads(json.dumps(settings))
        return identity
