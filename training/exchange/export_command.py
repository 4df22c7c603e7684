"""The command `facet export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facet_vision.common.loading import backbone_of
from facet_vision.common.places import check_out
from facet_vision.common.terminal import one_sentence


def export(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Task file.")],
    out: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="ONNX model to write.")],
    backbone: Annotated[
        str | None, typer.Option(help="Instead of the name in the file, as for facet train.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Local weights of the backbone.")] = None,
) -> None:
    """Write a task and its backbone as one ONNX model.

    It takes images as the backbone's preprocessing makes them, in batches of any size, and is
    written once ONNX Runtime has been seen to give the task's logits.
    """
    from facet_vision.prompts_store import TaskFile

    from .onnx_export import check_installed, export_task

    with one_sentence("export"):
        check_out(out)
        check_installed()
        task = TaskFile.load(file)
        network = backbone_of(task.manifest, backbone, checkpoint=checkpoint, device="cpu")
        difference = export_task(task, network, out)
    typer.echo(
        f"wrote {out} ({out.stat().st_size / 1e6:.0f} MB); in ONNX Runtime its logits differ by at "
        f"most {difference:.1g}"
    )
