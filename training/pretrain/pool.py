"""A fixed pool of generated images on disk, memory-mapped: made once, drawn from in every step."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from .config import PretrainConfig
from .images import IMAGE_SIZE, MASK_SIZE, Shapes, compose, seeded

_CHUNK = 500
_LABELS = 3


@dataclass(frozen=True)
class Pool:
    """Rows of images uint8 (n, 3, 48, 48), foreground uint8 (n, 24, 24), labels int16 (n, 3)."""

    images: np.ndarray
    foreground: np.ndarray
    labels: np.ndarray

    @classmethod
    def open(cls, folder: Path, size: int, mode: Literal["r", "r+"]) -> Pool:
        def array(name: str, shape: tuple[int, ...], dtype: str) -> np.ndarray:
            return np.memmap(folder / name, np.dtype(dtype), mode, shape=(size, *shape))

        return cls(
            array("images.bin", (3, IMAGE_SIZE, IMAGE_SIZE), "uint8"),
            array("foreground.bin", (MASK_SIZE, MASK_SIZE), "uint8"),
            array("labels.bin", (_LABELS,), "int16"),
        )

    def draw(
        self, count: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """A random batch with replacement: images uint8, foreground uint8, labels int64."""
        rows = torch.randint(len(self.labels), (count,), generator=generator).numpy()
        return (
            torch.from_numpy(self.images[rows]),
            torch.from_numpy(self.foreground[rows]),
            torch.from_numpy(self.labels[rows].astype("int64")),
        )


def ensure_pool(
    config: PretrainConfig, rank: int, barrier: Callable[[], None], report: Callable[[int], None]
) -> Pool:
    """Open the pool in `config.folder`, after making it if it is missing or of other settings.

    All ranks call this together; each makes its share of the chunks. `report` gets the rows just made.
    """
    folder = config.folder / "pool"
    facts = {
        "seed": config.seed,
        "images": config.pool,
        "classes_per_kind": config.classes_per_kind,
        "variants": config.variants,
    }
    marker = folder / "pool.json"
    complete = marker.exists() and json.loads(marker.read_text()) == facts
    barrier()
    if not complete:
        _make(config, folder, rank, barrier, report)
        if rank == 0:
            marker.write_text(json.dumps(facts))
        barrier()
    return Pool.open(folder, config.pool, "r")


def _make(
    config: PretrainConfig,
    folder: Path,
    rank: int,
    barrier: Callable[[], None],
    report: Callable[[int], None],
) -> None:
    if rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pool.json").unlink(missing_ok=True)
        for name, row in (
            ("images", 3 * IMAGE_SIZE**2),
            ("foreground", MASK_SIZE**2),
            ("labels", 2 * _LABELS),
        ):
            path = folder / f"{name}.bin"
            path.touch()
            os.truncate(path, row * config.pool)
    barrier()
    pool = Pool.open(folder, config.pool, "r+")
    shapes = Shapes.draw(config.classes_per_kind, config.variants, config.seed)
    for start in range(rank * _CHUNK, config.pool, config.workers * _CHUNK):
        stop = min(start + _CHUNK, config.pool)
        # A chunk depends on its place alone, so the pool is the same for any number of workers.
        scene = compose(shapes, stop - start, seeded(config.seed, 1, start))
        labels = torch.stack([scene.shape, scene.surface, scene.background], dim=1)
        pool.images[start:stop] = scene.images.numpy()
        pool.foreground[start:stop] = scene.foreground.numpy()
        pool.labels[start:stop] = labels.numpy()
        report(stop - start)
    barrier()
