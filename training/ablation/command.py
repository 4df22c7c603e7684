"""The command `facet ablate`."""

from __future__ import annotations

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

    from .run import StudyPlan

FLAGS = frozenset(
    {
        *("backbone", "checkpoint", "tokens", "epochs", "batch_size"),
        *("lr", "head_lr", "weight_decay", "precision"),
    }
)
"""Fields of a recipe that are options here; a recipe file may hold the others."""


@with_options(Recipe, only=FLAGS)
def ablate(
    given: dict[str, Any],
    study: Annotated[
        str,
        typer.Argument(
            help="location, length, depth, pooling, init, shared, projected, dropout, fraction "
            "(of the training images) or backbone.",
        ),
    ],
    data: Annotated[list[str], typer.Argument(help="Data sets, as for facet train.")],
    out: Annotated[
        Path,
        typer.Option(help="Folder of results; finished trainings there are not repeated."),
    ],
    values: Annotated[
        str,
        typer.Option(
            help="Values instead of the study's own, with commas; of backbone: NAME or NAME=FILE."
        ),
    ] = "",
    methods: Annotated[
        str, typer.Option(help="Methods instead of the study's own, with commas.")
    ] = "",
    seeds: Annotated[str, typer.Option(help="With commas.")] = "0,1,2",
    recipe: Annotated[
        Path | None,
        typer.Option(
            help="TOML file of hyperparameters; tables named after a method or a value hold for "
            "these alone."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Vary one thing about prompts, and write a table, its numbers and a figure.

    Every finished training is kept in the folder: the same command continues where it was stopped.
    """
    from rich.console import Console

    console = Console(stderr=True)
    with one_sentence("ablate", ExitCode.USAGE):
        plan = _plan(study, data, values, methods, seeds, recipe, given, device)
    with one_sentence("ablate"):
        failed = _run(plan, out, console)
    if failed:
        console.print(
            f"facet ablate: {failed} trainings failed; the same command tries them again",
            style="red",
        )
        raise typer.Exit(ExitCode.PARTIAL)


def _plan(
    study: str,
    data: list[str],
    values: str,
    methods: str,
    seeds: str,
    recipe: Path | None,
    given: dict[str, Any],
    device: str,
) -> StudyPlan:
    from facet_vision.training.overrides import RecipeOverrides

    from .run import StudyPlan
    from .studies import find_study

    return StudyPlan(
        study=find_study(study),
        data=tuple(dict.fromkeys(data)),
        methods=words(methods),
        values=words(values),
        seeds=seeds_of(seeds),
        overrides=RecipeOverrides(recipe, given),
        device=device,
    )


def _run(plan: StudyPlan, out: Path, console: Console) -> int:
    """Run the study and report; returns how many trainings failed."""
    from .run import run_study

    def report(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    files, failed = run_study(plan, out, report)
    typer.echo("wrote " + ", ".join(str(file) for file in files))
    return failed
