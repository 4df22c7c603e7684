"""Pool of generated images on disk, memory-mapped.

It is made once and drawn from at every step.
"""

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

_CHUNK_ROWS = 500
"""Images that are generated at a time, by one worker."""

_LABELS = 3
"""Labels of an image: shape, surface, background."""


@dataclass(frozen=True)
class Pool:
    """Rows of images uint8 (n, 3, 48, 48), foreground uint8 (n, 24, 24), labels int16 (n, 3).

    The arrays are memory maps, shared by all workers through the file system.
    """

    images: np.ndarray
    foreground: np.ndarray
    labels: np.ndarray

    @classmethod
    def open(cls, folder: Path, size: int, mode: Literal["r", "r+"]) -> Pool:
        """Map the files of a pool whose size is known."""

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
        """Draw a batch with replacement: images uint8, foreground uint8, labels int64."""
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

    All ranks call this together; each makes its share of the chunks.

    Args:
        rank: from 0; rank 0 makes the files and, when all rows are written, their marker.
        barrier: returns when all ranks have called it.
        report: receives the number of rows just made.
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
    barrier()  # all have read the marker before rank 0 may remove it
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
    """Write this rank's rows, and return when all rows are written."""
    if rank == 0:
        _allocate(folder, config.pool)
    barrier()  # the files exist
    pool = Pool.open(folder, config.pool, "r+")
    shapes = Shapes.draw(config.classes_per_kind, config.variants, config.seed)
    for start in range(rank * _CHUNK_ROWS, config.pool, config.workers * _CHUNK_ROWS):
        stop = min(start + _CHUNK_ROWS, config.pool)
        # A chunk depends on its start alone, so the pool is the same for any number of workers.
        scene = compose(shapes, stop - start, seeded(config.seed, 1, start))
        labels = torch.stack([scene.shape, scene.surface, scene.background], dim=1)
        pool.images[start:stop] = scene.images.numpy()
        pool.foreground[start:stop] = scene.foreground.numpy()
        pool.labels[start:stop] = labels.numpy()
        report(stop - start)
    barrier()


def _allocate(folder: Path, rows: int) -> None:
    """Make empty files of the final size; without the marker, which a killed run must not leave."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pool.json").unlink(missing_ok=True)
    row_bytes = {"images": 3 * IMAGE_SIZE**2, "foreground": MASK_SIZE**2, "labels": 2 * _LABELS}
    for name, size in row_bytes.items():
        path = folder / f"{name}.bin"
        path.touch()
        os.truncate(path, size * rows)
