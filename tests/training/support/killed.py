"""A training in a process of its own, for tests that kill it."""

import multiprocessing
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from signal import SIGKILL
from typing import Any

import torch
import typer

from facet_vision import backbone
from facet_vision.prompts_store import TaskFile
from facet_vision.training.command import resolve, train
from facet_vision.training.fitting.loop import Step
from facet_vision.training.fitting.run_folder import RunFolder
from facet_vision.training.output.checkpoints import Checkpoint
from facet_vision.training.train import train_task
from tests.backbone import families
from tests.training.support.small import several_labels, shades_of_grey, small_vit, watched

# a server that has torch loaded and forks: a process costs a fraction of a second
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["facet_vision.training.train"])

EPOCHS = 8
LAST = 17
"""No process is let past this step; an epoch has four, or three where a part of the images is set aside."""


@dataclass(frozen=True)
class Training:
    """What is trained: picklable, and the same in every process."""

    given: dict[str, Any] = field(default_factory=dict)
    network: str = "tiny"
    multi_label: bool = False

    def run(self, run: RunFolder | None, on_step: Callable[[Step], None]) -> TaskFile | Checkpoint:
        torch.set_num_threads(1)
        recipe = resolve(
            {"data": "shades", "task": "shades", "epochs": EPOCHS, "batch_size": 8} | self.given,
            None,
        )
        data = shades_of_grey() if recipe.patience is None else watched(shades_of_grey())
        data = several_labels(data) if self.multi_label else data
        return train_task(self._backbone(), data, recipe, on_step, run)

    def _backbone(self) -> backbone.Backbone:
        if self.network == "tiny":
            return small_vit()
        torch.manual_seed(0)
        return backbone.wrap(families.build(self.network), name=self.network, device="cpu")


def kill(training: Training, folder: Path, step: int, seconds: float) -> None:
    """Train in `folder` and kill the process so long after it has made a step."""
    ours, theirs = processes.Pipe()
    process = processes.Process(target=_train, args=(training, folder, theirs))
    process.start()
    theirs.close()  # so that a child which fails ends the wait
    while ours.recv() < step:
        pass
    time.sleep(seconds)
    process.kill()
    process.join()
    assert process.exitcode == -SIGKILL


def facet_train(arguments: list[str]) -> None:
    """`facet train` as a process of its own."""
    torch.set_num_threads(1)
    app = typer.Typer()
    app.command()(train)
    app(arguments)


def _train(training: Training, folder: Path, told: Connection) -> None:
    def on_step(step: Step) -> None:
        told.send(step.number)
        if step.number == LAST:
            told.recv()

    training.run(saved_every_epoch(folder), on_step)


def saved_every_epoch(folder: Path, **more: Any) -> RunFolder:
    """However fast the epochs are."""
    return RunFolder(folder, every=0, clock=lambda: 0.0, **more)


def hold(folder: Path, told: Connection) -> None:
    """Train in `folder`, with a worker that outlives the process, as those of a data loader do for some seconds."""
    with RunFolder(folder).opened({}):
        if not os.fork():
            with suppress(EOFError):
                told.recv()
            os._exit(0)
        told.send("held")
        told.recv()
