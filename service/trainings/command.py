"""The command line of `facet train` for a training."""

import sys
from collections.abc import Sequence

from facet_vision.service.settings import Settings

from .record import Training
from .runner import Command
from .workplace import Desk


def train_command(settings: Settings) -> Command:
    """Return what makes the command, on the backbone of the settings."""

    def command(training: Training, desk: Desk) -> Sequence[str]:
        plan = training.plan
        options = {
            "task": plan.task,
            "method": plan.method,
            "backbone": settings.backbone,
            "device": settings.training_device,
            "run": desk.run,
            "report": desk.report,
            "out": desk.task,
            "budget": plan.budget_seconds,
            "checkpoint": settings.checkpoint,
        }
        given = [f"--{name}={value}" for name, value in options.items() if value is not None]
        python = (sys.executable, "-m", "facet_vision", "train", str(desk.table))
        return (*python, "--json-progress", *given)

    return command
