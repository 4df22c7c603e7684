"""The command `facet ablate`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facet_vision.common.exits import ExitCode
from facet_vision.common.flags import with_options
from facet_vision.common.terminal import one_sentence, seeds_of, words
from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe

# torch and timm take seconds to import: only the functions that need them do so
if TYPE_CHECKING:
    from rich.console import Console

    from .plan import StudyPlan

RECIPE = "recipe"

FLAGS = frozenset(
    {
        *("backbone", "checkpoint", "pool", "image_size", "search", "shots", "validation"),
        *("tokens", "epochs", "batch_size", "lr", "head_lr", "weight_decay", "precision"),
    }
)
"""Fields of a recipe that are options here; a recipe file may hold the others."""


@with_options(Recipe, only=FLAGS)
def ablate(
    given: dict[str, Any],
    study: Annotated[
        str,
        typer.Argument(
            help="location, length, depth, pooling, init, shared, projected, dropout, size (images "
            "per class), fraction (of the training images) or backbone; or recipe, the steps of a "
            "recipe on validation parts.",
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
    seeds: Annotated[
        str, typer.Option(help="With commas; the first one is used for the searches.")
    ] = "0,1,2",
    recipe: Annotated[
        Path | None,
        typer.Option(
            help="TOML file of hyperparameters; tables named after a method or a value hold for "
            "these alone."
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
    """Vary one thing about prompts, and write a table, its numbers and a figure.

    Every finished training is kept in the folder: the same command continues where it was stopped.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if study == RECIPE:
        with one_sentence("ablate", ExitCode.USAGE):
            if not train:
                raise TrainingError("no-train: expected none for the study recipe, found it")
        _ablate_recipe(data, out, values, methods, seeds, recipe, given, device, jobs, console)
        return
    with one_sentence("ablate", ExitCode.USAGE):
        plan = _plan(study, data, values, methods, seeds, recipe, given)
    with one_sentence("ablate"):
        missing = _run(plan, out, device, jobs, train, console)
    if missing:
        console.print(
            f"facet ablate: {missing} trainings are missing; the same command tries them again",
            style="red",
        )
        raise typer.Exit(ExitCode.PARTIAL)


def _ablate_recipe(
    data: list[str],
    out: Path,
    values: str,
    methods: str,
    seeds: str,
    recipe: Path | None,
    given: dict[str, Any],
    device: str,
    jobs: int | None,
    console: Console,
) -> None:
    """Compare the steps of each method's recipe."""
    from facet_vision.training.overrides import RecipeOverrides

    from .recipe.run import RecipePlan, ablate_recipe, check_plan

    with one_sentence("ablate", ExitCode.USAGE):
        if values:
            raise TrainingError(f"values: expected none for the study recipe, found {values!r}")
        plans = [
            RecipePlan(
                method=method,
                data=tuple(dict.fromkeys(data)),
                seeds=seeds_of(seeds),
                overrides=RecipeOverrides(recipe, given),
                device=device,
                jobs=jobs,
            )
            for method in words(methods) or ("vpt-deep",)
        ]
        for plan in plans:
            check_plan(plan)
    with one_sentence("ablate"):
        files = [file for plan in plans for file in ablate_recipe(plan, out, _say(console))]
        typer.echo("wrote " + ", ".join(str(file) for file in files))


def _say(console: Console) -> Callable[[str], None]:
    return partial(console.print, markup=False, highlight=False, soft_wrap=True)


def _plan(
    study: str,
    data: list[str],
    values: str,
    methods: str,
    seeds: str,
    recipe: Path | None,
    given: dict[str, Any],
) -> StudyPlan:
    from facet_vision.training.overrides import RecipeOverrides

    from .plan import StudyPlan
    from .studies import find_study

    return StudyPlan(
        study=find_study(study),
        data=tuple(dict.fromkeys(data)),
        methods=words(methods),
        values=words(values),
        seeds=seeds_of(seeds),
        overrides=RecipeOverrides(recipe, given),
    )


def _run(
    plan: StudyPlan, out: Path, device: str, jobs: int | None, train: bool, console: Console
) -> int:
    """Run the study and report; returns how many trainings are missing."""
    from facet_vision.common.figures import new_figure
    from facet_vision.training.experiments.runs import Options

    from .run import run_study

    new_figure(1, 1)  # finds out before the work that figures can be drawn
    # what made the numbers, also where only the report is made anew
    command = shlex.join(["facet", *(word for word in sys.argv[1:] if word != "--no-train")])
    files, missing = run_study(plan, out, Options(device, jobs, train, command), _say(console))
    typer.echo("wrote " + ", ".join(str(file) for file in files))
    return missing
