"""The command `facet compare`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facet_vision.common.exits import ExitCode
from facet_vision.common.flags import with_options
from facet_vision.common.terminal import one_sentence, seeds_of, words
from facet_vision.training.recipe import Recipe

# torch and timm take seconds to import: only the functions that need them do so
if TYPE_CHECKING:
    from rich.console import Console

    from .plan import Plan

FLAGS = frozenset(
    {
        *(
            "backbone",
            "checkpoint",
            "pool",
            "image_size",
            "search",
            "shots",
            "fraction",
            "validation",
        ),
        *("tokens", "epochs", "batch_size", "precision"),
    }
)
"""Fields of a recipe that are options here; a recipe file may hold the others."""


@with_options(Recipe, only=FLAGS)
def compare(
    given: dict[str, Any],
    data: Annotated[
        list[str],
        typer.Argument(
            help="Data sets, as for facet train; GROUP=DATA puts one into a group of the table.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(help="Folder of the report; finished trainings there are not repeated."),
    ],
    methods: Annotated[
        str,
        typer.Option(
            help="With commas, in the order of the table; by default those of the paper and lora."
        ),
    ] = "",
    seeds: Annotated[
        str, typer.Option(help="With commas; the first one is used for a search.")
    ] = "0,1,2",
    recipe: Annotated[
        Path | None,
        typer.Option(
            help="TOML file of hyperparameters; tables named after a method hold for it alone."
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Trainings side by side; by default as many as fit."),
    ] = None,
    train: Annotated[
        bool, typer.Option(help="Whether to train, or only to report finished trainings.")
    ] = True,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train every method on every task with every seed, and write a report with tables and figures.

    Every finished training is kept in the folder: the same command continues where it was stopped.
    """
    from rich.console import Console

    console = Console(stderr=True)
    with one_sentence("compare", ExitCode.USAGE):
        plan = _plan(data, methods, seeds, recipe, given)
        plan.check()
    with one_sentence("compare"):
        missing = _run(plan, out, device, jobs, train, console)
    if missing:
        console.print(
            f"facet compare: {missing} trainings are missing; the same command tries them again",
            style="red",
        )
        raise typer.Exit(ExitCode.PARTIAL)


def _plan(
    data: list[str], methods: str, seeds: str, recipe: Path | None, given: dict[str, Any]
) -> Plan:
    from facet_vision.training.overrides import RecipeOverrides

    from .plan import METHODS, Plan, grouped

    return Plan(
        grouped(data),
        words(methods) or METHODS,
        seeds_of(seeds),
        RecipeOverrides(recipe, given),
    )


def _run(
    plan: Plan, out: Path, device: str, jobs: int | None, train: bool, console: Console
) -> int:
    """Train and report; returns how many trainings are missing."""
    from facet_vision.common.figures import new_figure
    from facet_vision.training.experiments.runs import Options

    from .run import compare

    new_figure(1, 1)  # finds out before the work that figures can be drawn
    # what made the numbers, also where only the report is made anew
    command = shlex.join(["facet", *(word for word in sys.argv[1:] if word != "--no-train")])

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    files, missing = compare(plan, out, Options(device, jobs, train, command), say)
    typer.echo("wrote " + ", ".join(str(file) for file in files))
    return missing
