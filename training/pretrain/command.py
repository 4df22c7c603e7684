"""The command `facet pretrain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def pretrain(
    out: Annotated[
        Path, typer.Option(help="Folder of the run; a run that was stopped is continued from it.")
    ] = Path("runs/pretrain"),
    model: Annotated[
        Literal["facet-tiny", "facet-nano", "facet-small"],
        typer.Option(help="The embedded backbone, or a smaller or a larger sibling of it."),
    ] = "facet-tiny",
    steps: Annotated[int, typer.Option(min=1, help="Optimizer steps.")] = 14_000,
    batch: Annotated[int, typer.Option(min=2, help="Images per step and worker.")] = 64,
    workers: Annotated[
        int, typer.Option(min=1, help="One-thread processes that share every step.")
    ] = 2,
    pool: Annotated[
        int, typer.Option(min=1, help="Generated images, stored in the folder (7.5 kB each).")
    ] = 300_000,
    seed: Annotated[
        int, typer.Option(min=0, help="Decides the classes, the images and the weights.")
    ] = 0,
) -> None:
    """Pre-train the embedded backbone on generated images and export its weights."""
    # Imported here, because the help is printed without torch.
    from .config import PretrainConfig
    from .loop import run

    config = PretrainConfig(
        folder=out,
        architecture=model,
        steps=steps,
        batch=batch,
        workers=workers,
        pool=pool,
        seed=seed,
    )
    weights = run(config)
    typer.echo(f"Weights are in {weights}, the log is in {out / 'log.jsonl'}.")
