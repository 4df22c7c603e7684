"""The command `facet attention`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from facet_vision.common.loading import backbone_of
from facet_vision.common.terminal import one_sentence


def attention(
    task: Annotated[Path, typer.Argument(help="Task file, for a ViT, that is more than a head.")],
    images: Annotated[list[Path], typer.Argument(help="Image files, a row each.")],
    out: Annotated[Path, typer.Option(help="Figure to write: .png, .pdf or .svg.")],
    layer: Annotated[
        int | None, typer.Option(help="Counted from 1; the last one if not given.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Instead of the name in the task file.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Local weights of the backbone.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Draw the attention of the class token over images, with a task and without."""
    options = locals()  # before any other assignment, so that it holds the options alone
    with one_sentence("attention"):
        _run(options)


def _run(options: dict[str, Any]) -> None:
    import torch

    from facet_vision.common.figures import check_place, save
    from facet_vision.prompts_store import TaskFile
    from facet_vision.training.errors import TrainingError

    from .figure import draw, picture
    from .maps import attention_maps

    check_place(options["out"])
    task = TaskFile.load(options["task"])
    if not task.prompts and not task.parts:
        raise TrainingError(
            f"task: expected one that changes the forward, found {task.manifest.method}, which "
            "has a head alone"
        )
    network = backbone_of(
        task.manifest,
        options["backbone"],
        checkpoint=options["checkpoint"],
        device=options["device"],
    )
    task.check_fits(network)
    batch = torch.stack([network.preprocess(_image(path)) for path in options["images"]])
    layer = len(network.layer_dims) if options["layer"] is None else options["layer"]
    columns = [
        ("bare backbone", attention_maps(network, batch, (), layer)),
        (task.manifest.method, attention_maps(network, batch, task.prompts, layer, task.parts)),
    ]
    pictures = [picture(image, network.preprocess) for image in batch]
    save(draw(pictures, [path.name for path in options["images"]], columns, layer), options["out"])
    for path, found in zip(options["images"], columns[1][1], strict=True):
        share = f"{100 * found.on_prompts:.1f} % of the attention in layer {layer}"
        typer.echo(f"{path.name}: {share} is on prompts or learned keys")
    typer.echo(f"wrote {options['out']}")


def _image(path: Path) -> Any:
    """Decode a file; an error names it."""
    from facet_vision.backbone import ImageError, decode_image

    try:
        return decode_image(path.read_bytes())
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
