"""The command `facet unseen`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facet_vision.common.exits import ExitCode
from facet_vision.common.terminal import one_sentence, seeds_of, words

# torch and timm take seconds to import: only the functions that need them do so
if TYPE_CHECKING:
    from .run import UnseenPlan


def unseen(
    data: Annotated[
        list[str], typer.Argument(help="Data sets of three classes or more, as for facet train.")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of results; finished trainings there are not repeated.")
    ],
    methods: Annotated[
        str, typer.Option(help="Methods that can be served, with commas.")
    ] = "linear,vpt-deep",
    seeds: Annotated[str, typer.Option(help="With commas.")] = "0,1,2",
    recipe: Annotated[
        Path | None,
        typer.Option(help="TOML file of hyperparameters; a table named after a method is its own."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Keep classes out of training and measure which score tells their images from the others.

    Every finished training is kept in the folder: the same command continues where it was stopped.
    """
    with one_sentence("unseen", ExitCode.USAGE):
        plan = _plan(data, methods, seeds, recipe, device, out)
    with one_sentence("unseen"):
        files = _run(plan, out)
    typer.echo("wrote " + ", ".join(map(str, files)))


def _plan(
    data: list[str], methods: str, seeds: str, recipe: Path | None, device: str, out: Path
) -> UnseenPlan:
    from facet_vision.training.overrides import RecipeOverrides

    from .run import UnseenPlan

    given = f" --recipe {recipe}" if recipe else ""
    return UnseenPlan(
        data=tuple(dict.fromkeys(data)),
        methods=words(methods),
        seeds=seeds_of(seeds),
        overrides=RecipeOverrides(recipe, {}),
        device=device,
        command=f"facet unseen {' '.join(data)} --methods {methods} --seeds {seeds}{given} "
        f"--out {out}",
    )


def _run(plan: UnseenPlan, out: Path) -> list[Path]:
    from .run import run_study

    return run_study(plan, out, lambda line: typer.echo(line, err=True))
