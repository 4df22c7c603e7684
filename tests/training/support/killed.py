"""Trainings in processes of their own, for tests that kill them."""

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
from facet_vision.training.command import train
from facet_vision.training.fitting.loop import Step
from facet_vision.training.fitting.run_folder import RunFolder
from facet_vision.training.new_recipe import new_recipe
from facet_vision.training.output.checkpoints import Checkpoint
from facet_vision.training.train import train_task
from tests.backbone import families
from tests.training.support.small import several_labels, shades_of_grey, small_vit, watched

# the fork server has torch loaded, so that a process starts in a fraction of a second
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["facet_vision.training.train"])

EPOCHS = 8
LAST = 17
"""No process trains beyond this step.

An epoch has four steps, or three where some images are set aside for validation.
"""


@dataclass(frozen=True)
class Training:
    """Description of a training: picklable, and with equal results in every process."""

    given: dict[str, Any] = field(default_factory=dict)
    network: str = "tiny"
    multi_label: bool = False

    def run(self, run: RunFolder | None, on_step: Callable[[Step], None]) -> TaskFile | Checkpoint:
        torch.set_num_threads(1)
        common = {"data": "shades", "task": "shades", "epochs": EPOCHS, "batch_size": 8}
        recipe = new_recipe(**(common | self.given))
        data = shades_of_grey() if recipe.patience is None else watched(shades_of_grey())
        data = several_labels(data) if self.multi_label else data
        return train_task(self._backbone(), data, recipe, on_step, run)

    def _backbone(self) -> backbone.Backbone:
        if self.network == "tiny":
            return small_vit()
        torch.manual_seed(0)
        return backbone.wrap(families.build(self.network), name=self.network, device="cpu")


def kill(training: Training, folder: Path, step: int, seconds: float) -> None:
    """Train in `folder` and kill the process some seconds after a step."""
    ours, theirs = processes.Pipe()
    process = processes.Process(target=_train, args=(training, folder, theirs))
    process.start()
    theirs.close()  # so that a child that fails ends the wait
    while ours.recv() < step:
        pass
    time.sleep(seconds)
    process.kill()
    process.join()
    assert process.exitcode == -SIGKILL


def facet_train(arguments: list[str]) -> None:
    """Run `facet train`, as the target of a process."""
    torch.set_num_threads(1)
    app = typer.Typer()
    app.command()(train)
    app(arguments)


def _train(training: Training, folder: Path, parent: Connection) -> None:
    def on_step(step: Step) -> None:
        parent.send(step.number)
        if step.number == LAST:
            parent.recv()

    training.run(saved_every_epoch(folder), on_step)


def saved_every_epoch(folder: Path, **more: Any) -> RunFolder:
    """Return a run folder that is saved after every epoch, however fast the epochs are."""
    return RunFolder(folder, save_seconds=0, clock=lambda: 0.0, **more)


def hold(folder: Path, parent: Connection) -> None:
    """Lock `folder`, with a child that outlives this process.

    Workers of a data loader do so for some seconds.
    """
    with RunFolder(folder).checkpointer({}):
        if not os.fork():
            with suppress(EOFError):
                parent.recv()
            os._exit(0)
        parent.send("held")
        parent.recv()
