"""Pretraining loop: data-parallel workers on the CPU.

A run can be stopped at any moment and continues from its last saved state.
"""

from __future__ import annotations

import json
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch.multiprocessing.spawn import spawn
from torch.optim.swa_utils import AveragedModel

from facet_vision.training.fitting.state_file import load_state, save_state

from .augment import augment
from .checkpoint import export
from .config import PretrainConfig
from .images import seeded
from .model import Pretraining, draw_visible
from .optimizers import averaging, optimizers, schedule, set_rates
from .pool import Pool, ensure_pool
from .probe import probes
from .progress import NoProgress, Progress, shown_progress

_PATIENCE = timedelta(minutes=30)
"""How long a worker waits for its peers, also while images are made."""


def run(config: PretrainConfig, *, show_progress: bool = True) -> Path:
    """Pre-train, or continue the run whose state is in `config.folder`.

    The folder receives `log.jsonl`, `state.pt`, the image pool, and at every checkpoint
    `facet_tiny.safetensors`, or that of another model, with the exponential average of the weights.

    Returns:
        The file of exported weights.

    Raises:
        ValueError: the folder holds a run of other settings.
    """
    config.folder.mkdir(parents=True, exist_ok=True)
    if config.workers == 1:
        _work(0, config, show_progress)
    else:
        with tempfile.TemporaryDirectory() as folder:
            meeting = str(Path(folder) / "workers")
            spawn(_work_together, (config, show_progress, meeting), nprocs=config.workers)
    return config.weights


def _work_together(rank: int, config: PretrainConfig, show_progress: bool, meeting: str) -> None:
    """Run one of several workers; `meeting` is a file by which they find each other."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{meeting}",
        rank=rank,
        world_size=config.workers,
        timeout=_PATIENCE,
    )
    try:
        _work(rank, config, show_progress)
    finally:
        distributed.destroy_process_group()


def _work(rank: int, config: PretrainConfig, show_progress: bool) -> None:
    with shown_progress() if show_progress and rank == 0 else NoProgress() as progress:

        def report(rows: int) -> None:
            # The other workers make as many at the same time.
            progress.advance(rows * config.workers)

        progress.begin("images", config.pool)
        pool = ensure_pool(config, rank, _barrier, report)
        Worker(rank, config, pool).train(progress)


def _barrier() -> None:
    """Wait for all workers; for a single one at once."""
    if distributed.is_initialized():
        distributed.barrier()


class Worker:
    """One process of a run: the same weights as its peers, its own share of every batch.

    Parameters stay equal without being sent: all start from one seed and apply the same mean
    gradients. BatchNorm statistics are each worker's own; those of rank 0 are saved. Only rank 0
    averages the weights, and writes the log and the state.
    """

    def __init__(self, rank: int, config: PretrainConfig, pool: Pool) -> None:
        torch.manual_seed(config.seed)
        self.rank = rank
        self.config = config
        self.pool = pool
        self.model = Pretraining(config)
        self.average = AveragedModel(
            self.model.vit, multi_avg_fn=averaging(config), use_buffers=True
        )
        self.optimizers = optimizers(self.model, config)
        self.step = 0
        self._resume()

    def train(self, progress: Progress) -> None:
        """Run to the last step, logging and saving on the way."""
        progress.begin("steps", self.config.steps, self.step)
        meter = Meter(self.config)
        while self.step < self.config.steps:
            losses = self._train_step()
            self.step += 1
            meter.add(losses)
            progress.advance(1)
            if self.rank == 0:
                self._record(meter)

    def _train_step(self) -> dict[str, torch.Tensor]:
        config = self.config
        set_rates(self.optimizers, self.step, config)
        batch = self._batch()
        self.model.train()
        with torch.autocast("cpu", torch.bfloat16):
            losses: dict[str, torch.Tensor] = self.model(*batch)
        self.model.zero_grad(set_to_none=True)
        losses["total"].backward()
        self._share_gradients()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        for optimizer in self.optimizers:
            optimizer.step()
        if self.rank == 0:
            self.average.update_parameters(self.model.vit)
        return losses

    def _batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Draw the batch of this step: images, foreground, labels and visible patches.

        A pure function of seed, step and rank, so no state of a generator needs saving.
        """
        config = self.config
        generator = seeded(config.seed, 2, self.step, self.rank)
        images, foreground, labels = self.pool.draw(config.batch, generator)
        images, foreground = augment(images, foreground, generator)
        dropping = self.step < config.patch_drop_until * config.steps
        share = 1.0 - config.patch_drop if dropping else 1.0
        patches = self.model.vit.patch_embed.num_patches
        return images, foreground, labels, draw_visible(config.batch, patches, share, generator)

    def _share_gradients(self) -> None:
        """Replace the gradients by their means over workers."""
        if not distributed.is_initialized():
            return
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        # One message instead of one for each parameter.
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.config.workers
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def _record(self, meter: Meter) -> None:
        """Log, save and probe where this step is due."""
        config = self.config
        last = self.step == config.steps
        if last or self.step % config.log_every == 0:
            rate = round(schedule(self.step, config), 4)
            _log(config.folder, {"step": self.step, **meter.read(), "schedule": rate})
        if last or self.step % config.save_every == 0:
            self._save()
        if config.probe_every and (last or self.step % config.probe_every == 0):
            _log(config.folder, {"step": self.step, "probes": probes(self.average.module)})

    def _save(self) -> None:
        state = {
            "settings": self.config.identity(),
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        save_state(self.config.folder / "state.pt", state)
        export(self.average.module, self.config.weights)

    def _resume(self) -> None:
        """Load the state of the folder's run, if there is one; every worker loads the same."""
        path = self.config.folder / "state.pt"
        if not path.exists():
            return
        state = load_state(path)
        # runs were of facet-tiny before there were others
        settings = {"architecture": "facet-tiny"} | state["settings"]
        if settings != self.config.identity():
            raise ValueError(
                f"Folder {self.config.folder} expects the settings {settings} of its run."
            )
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step = state["step"]


class Meter:
    """Mean losses and images per second since the last reading."""

    def __init__(self, config: PretrainConfig) -> None:
        self._images = config.batch * config.workers
        self._reset()

    def _reset(self) -> None:
        self._sums: dict[str, float] = {}
        self._steps = 0
        self._since = time.monotonic()

    def add(self, losses: dict[str, torch.Tensor]) -> None:
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value.detach())
        self._steps += 1

    def read(self) -> dict[str, float]:
        """Return the means and begin anew."""
        means = {name: round(total / self._steps, 4) for name, total in self._sums.items()}
        seconds = time.monotonic() - self._since
        means["images_per_second"] = round(self._steps * self._images / seconds, 1)
        self._reset()
        return means


def _log(folder: Path, entry: dict[str, Any]) -> None:
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps(entry) + "\n")
