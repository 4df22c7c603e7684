"""`facet compare`: which method suits one's tasks, as the paper compares them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facet_vision.common.terminal import one_sentence, seeds_of, words

# torch and timm take seconds to import: only the functions that need them do so
if TYPE_CHECKING:
    from rich.console import Console

DATA_HELP = "Data sets, as for facet train; GROUP=DATA puts one into a group of the table."
METHODS_HELP = "With commas, in the order of the table; those of the paper and lora unless given."
RECIPE_HELP = "TOML file of hyperparameters; tables named after a method hold for it alone."
SEARCH_HELP = """Chosen on the validation part with the first seed: paper, or a grid such as "lr=0.1,0.05
weight_decay=0.01,0"."""
FLAGS = (
    *(
        "backbone",
        "checkpoint",
        "search",
        "shots",
        "fraction",
        "validation",
        "tokens",
        "epochs",
        "batch_size",
    ),
    "precision",
)


def compare(
    data: Annotated[list[str], typer.Argument(help=DATA_HELP)],
    out: Annotated[
        Path,
        typer.Option(help="Folder of the report; what is finished there is not trained again."),
    ],
    methods: Annotated[str, typer.Option(help=METHODS_HELP)] = "",
    seeds: Annotated[str, typer.Option(help="With commas.")] = "0,1,2",
    recipe: Annotated[Path | None, typer.Option(help=RECIPE_HELP)] = None,
    search: Annotated[str | None, typer.Option(help=SEARCH_HELP)] = None,
    backbone: Annotated[
        str | None, typer.Option(help="facet-tiny (the default) or a timm model.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Local weights of the backbone.")] = None,
    shots: Annotated[
        int | None, typer.Option(help="Learn from so many images of each class.")
    ] = None,
    fraction: Annotated[
        float | None, typer.Option(help="Learn from this share of each class.")
    ] = None,
    validation: Annotated[
        float | None, typer.Option(help="Validation part: share, or number of images (0.2).")
    ] = None,
    tokens: Annotated[int | None, typer.Option(help="Prompts per layer (10).")] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training images (100).")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per step (64).")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32 (the default) or bfloat16.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Trainings side by side (as many as fit).")
    ] = None,
    train: Annotated[
        bool, typer.Option(help="Whether to train, or only to report what is finished.")
    ] = True,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train every method on every task with every seed, and write a report with tables and figures.

    Every finished training is kept in the folder: the same command continues where it was stopped.
    """
    options = locals()  # before anything else is assigned: the options by name
    from rich.console import Console

    console = Console(stderr=True)
    with one_sentence("compare"):
        missing = _run(options, console)
    if missing:
        console.print(
            f"facet compare: {missing} trainings are missing; the same command tries them again",
            style="red",
        )
        raise typer.Exit(1)


def _run(options: dict[str, Any], console: Console) -> int:
    from facet_vision.common.figures import new_figure
    from facet_vision.training.overrides import RecipeOverrides

    from .plan import METHODS, Plan, grouped
    from .run import Options, compare

    new_figure(1, 1)  # finds out before the work that figures can be drawn
    flags = {name: options[name] for name in FLAGS if options[name] is not None}
    plan = Plan(
        grouped(options["data"]),
        words(options["methods"]) or METHODS,
        seeds_of(options["seeds"]),
        RecipeOverrides(options["recipe"], flags),
    )
    # what made the numbers, also where only the report is made anew
    command = shlex.join(["facet", *(word for word in sys.argv[1:] if word != "--no-train")])

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    how = Options(options["device"], options["jobs"], options["train"], command)
    files, missing = compare(plan, options["out"], how, say)
    typer.echo("wrote " + ", ".join(str(file) for file in files))
    return missing
