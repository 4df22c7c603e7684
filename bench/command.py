"""`facet bench`: one subcommand per question."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Measure, side by side in one run.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Keep `forward` a subcommand while it is the only one."""


@app.command()
def forward(
    name: Annotated[str, typer.Option("--backbone", help="timm name; random weights are enough here")] = (
        "vit_base_patch16_224"
    ),
    prompts: Annotated[int, typer.Option(min=1, help="prompts in every layer")] = 50,
    batch: Annotated[int, typer.Option(min=1, help="images in a batch")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="rounds; every contender runs once in each")] = 15,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16")] = "float32",
    output: Annotated[Path | None, typer.Option(help="also write the figures to this JSON file")] = None,
) -> None:
    """Time the bare forward, prompts as tokens, the prefix form and a fully mixed batch, side by side."""
    from .forward import measure, table  # torch takes seconds to import: only a run needs it
    from .timing import environment

    timings = measure(name, prompts=prompts, batch=batch, rounds=rounds, dtype=dtype)
    where = environment()
    typer.echo(f"{name}, {prompts} prompts in every layer, batch {batch}, {dtype}, {rounds} rounds")
    typer.echo(", ".join(f"{key} {value}" for key, value in where.items()) + "\n")
    typer.echo(table(timings))
    if output:
        figures = {timing.name: {"median_s": timing.median, "ratio": timing.ratio(timings[0])} for timing in timings}
        output.write_text(json.dumps({"environment": where, "backbone": name, "figures": figures}, indent=2) + "\n")
