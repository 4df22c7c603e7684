"""The command `facet tsne`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facet_vision.common.loading import backbone_of
from facet_vision.common.terminal import one_sentence

# torch and timm take seconds to import, so only the functions that need them do.
if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from torch import Tensor

    from facet_vision.backbone import Backbone
    from facet_vision.training.data.datasets import TaskData
    from facet_vision.training.data.images import Inputs
    from facet_vision.training.output.trained_file import TrainedFile

    from .figure import Panel


DATA_HELP = (
    "A data set, as for facet train. Its held-out images are shown: where it has no such part, "
    "those that were held out when the first file was trained."
)


def tsne(
    data: Annotated[str, typer.Argument(help=DATA_HELP)],
    files: Annotated[
        list[Path], typer.Argument(help="Task files and checkpoints of one backbone, a panel each.")
    ],
    out: Annotated[Path, typer.Option(help="Figure to write: .png, .pdf or .svg.")],
    projection: Annotated[
        str, typer.Option(help="tsne, pca or umap (which needs umap-learn).")
    ] = "tsne",
    images: Annotated[
        int, typer.Option(min=3, help="At most this many of the held-out images.")
    ] = 1000,
    neighbours: Annotated[int, typer.Option(help="k of the k-nearest-neighbour accuracy.")] = 5,
    seed: Annotated[
        int, typer.Option(min=0, help="Draws the images, and begins t-SNE and UMAP.")
    ] = 0,
    backbone: Annotated[
        str | None, typer.Option(help="Instead of the name in the first file.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Local weights of the backbone.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Show held-out images by their features, without prompts and under each file.

    The features without prompts are those that linear sees. The numbers of the titles are written
    beside the figure as JSON.
    """
    options = locals()  # before any other assignment, so that it holds the options alone
    with one_sentence("tsne"):
        _run(options)


def _run(options: dict[str, Any]) -> None:
    import numpy as np

    from facet_vision.common.figures import check_place, save
    from facet_vision.prompts_store import durable
    from facet_vision.training.data.as_trained import read_as_trained
    from facet_vision.training.data.images import prepare
    from facet_vision.training.output.trained_file import read

    from .features import check_held_out, check_labels
    from .figure import draw
    from .projection import PROJECTIONS, check_projection

    # Mistakes that can be found without a network are reported first.
    check_place(options["out"])
    check_projection(options["projection"])
    files = [read(path) for path in options["files"]]
    network = backbone_of(
        files[0].manifest,
        options["backbone"],
        checkpoint=options["checkpoint"],
        device=options["device"],
    )
    data = read_as_trained(options["data"], files[0].manifest.recipe)
    for file in files:
        check_labels(file, data)
    check_held_out(files, options["data"], data)
    shown = _chosen(data, options["images"], options["seed"])
    targets = np.asarray(shown.targets)
    panels = _panels(files, network, prepare(shown, network.preprocess), targets, options)
    for panel in panels:
        typer.echo(f"{panel.title}: {panel.separation}")
    out: Path = options["out"]
    save(draw(panels, targets, data.labels, PROJECTIONS[options["projection"]]), out)
    numbers = out.with_suffix(".json")
    document = {
        **{name: options[name] for name in ("data", "projection", "neighbours", "seed")},
        "backbone": network.name,
        "fingerprint": network.fingerprint,
        "images": len(targets),
        "panels": [panel.numbers() for panel in panels],
    }
    durable.replace(numbers, (json.dumps(document, indent=2) + "\n").encode())
    typer.echo(f"wrote {out}, {numbers}")


def _chosen(data: TaskData, most: int, seed: int) -> Any:
    """Draw at most `most` of the held-out images, and return them in their order."""
    import torch

    order = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(seed))
    return data.test.take(sorted(order[:most].tolist()))


def _panels(
    files: list[TrainedFile],
    network: Backbone,
    images: Inputs,
    targets: np.ndarray,
    options: dict[str, Any],
) -> list[Panel]:
    from .features import extract
    from .figure import Panel
    from .projection import project
    from .separation import separation

    views: list[tuple[str, str, Callable[[Tensor], Tensor]]] = [
        ("no prompts", "", network.features)
    ]
    views += [(_title(file), file.path.name, file.features(network)) for file in files]
    panels = []
    for title, name, features in views:
        found = extract(features, images)
        places = project(found, options["projection"], options["seed"])
        separated = separation(found, targets, options["neighbours"])
        panels.append(Panel(title, name, places, separated))
    return panels


def _title(file: TrainedFile) -> str:
    """Return the method, with the file's name where that says more."""
    from facet_vision.common.figures import short

    method, name = file.manifest.method, file.path.stem
    return method if name == method else f"{method} ({short(name, 20)})"
