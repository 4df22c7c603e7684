"""`facet ablate`: the paper's ablations on one's own data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facet_vision.common.terminal import one_sentence, seeds_of, words

# torch and timm take seconds to import: only the functions that need them do so
if TYPE_CHECKING:
    from rich.console import Console

STUDY_HELP = """location, length, depth, pooling, init, shared, projected, dropout, fraction (of the training images) or
backbone."""
VALUES_HELP = """Values instead of the study's own, with commas; of backbone: NAME or NAME=FILE."""
RECIPE_HELP = (
    """TOML file of hyperparameters; tables named after a method or a value hold for these alone."""
)
FLAGS = (
    "backbone",
    "checkpoint",
    "tokens",
    "epochs",
    "batch_size",
    "lr",
    "head_lr",
    "weight_decay",
    "precision",
)


def ablate(
    study: Annotated[str, typer.Argument(help=STUDY_HELP)],
    data: Annotated[list[str], typer.Argument(help="Data sets, as for facet train.")],
    out: Annotated[
        Path, typer.Option(help="Folder of results; what is finished there is not trained again.")
    ],
    values: Annotated[str, typer.Option(help=VALUES_HELP)] = "",
    methods: Annotated[
        str, typer.Option(help="Methods instead of the study's own, with commas.")
    ] = "",
    seeds: Annotated[str, typer.Option(help="With commas.")] = "0,1,2",
    recipe: Annotated[Path | None, typer.Option(help=RECIPE_HELP)] = None,
    backbone: Annotated[
        str | None, typer.Option(help="facet-tiny (the default) or a timm ViT.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Local weights of the backbone.")] = None,
    tokens: Annotated[
        int | None, typer.Option(help="Prompts per layer; pixels of pad, channels of below.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training images (100).")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per step (64).")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate, for batches of 256.")] = None,
    head_lr: Annotated[
        float | None, typer.Option(help="The head's learning rate, if it differs.")
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="Weight decay of what is trained.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32 (the default) or bfloat16.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Vary one thing about prompts, and write a table, its numbers and a figure.

    Every finished training is kept in the folder: the same command continues where it was stopped.
    """
    options = locals()  # before anything else is assigned: the options by name
    from rich.console import Console

    flags = {name: options[name] for name in FLAGS if options[name] is not None}
    console = Console(stderr=True)
    with one_sentence("ablate"):
        failed = _run(options, flags, console)
    if failed:
        console.print(
            f"facet ablate: {failed} trainings failed; the same command tries them again",
            style="red",
        )
        raise typer.Exit(1)


def _run(options: dict[str, Any], flags: dict[str, Any], console: Console) -> int:
    from facet_vision.training.overrides import RecipeOverrides

    from .run import Wanted, run_study
    from .studies import find_study

    wanted = Wanted(
        study=find_study(options["study"]),
        data=tuple(dict.fromkeys(options["data"])),
        methods=words(options["methods"]),
        values=words(options["values"]),
        seeds=seeds_of(options["seeds"]),
        settings=RecipeOverrides(options["recipe"], flags),
        device=options["device"],
    )

    def report(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    files, failed = run_study(wanted, options["out"], report)
    typer.echo("wrote " + ", ".join(str(file) for file in files))
    return failed
