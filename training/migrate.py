"""The command `facet migrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facet_vision.common.terminal import one_sentence, tell_resampled


def migrate(
    files: Annotated[list[Path], typer.Argument(help="Task files, rewritten in place.")],
    backbone: Annotated[str, typer.Option(help="Backbone that they were learned on.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="Its weights, if not timm's pretrained ones.")
    ] = None,
) -> None:
    """State the whole identity of their backbone in task files of an older release.

    Files of Facet before version 2 of the fingerprint tell only which weights they were learned on.
    Name the backbone exactly as it was then: the activation, crop and the like of this one are
    written into the files.
    """
    from facet_vision.backbone import load
    from facet_vision.prompts_store import TaskFile

    with one_sentence("migrate"):
        network = tell_resampled(load(backbone, checkpoint=checkpoint, device="cpu"))
        tasks = [TaskFile.load(path) for path in files]
        # All of them before the first is written: a file of another backbone changes none.
        migrated = [task.migrated(network) for task in tasks]
        for path, task in zip(files, migrated, strict=True):
            task.save(path)
            typer.echo(f"{path}: {task.manifest.fingerprint}")
