"""`facet bench forward`."""

from typing import Annotated

import typer

from facet_vision.bench.options import (
    DTYPES,
    Out,
    Rounds,
    integers,
    names,
    one_of,
    prepare_place,
    publish,
    tell,
)
from facet_vision.common.terminal import one_sentence


def forward(
    backbone: Annotated[str, typer.Option(help="timm names with commas; weights are random.")] = (
        "vit_base_patch16_224"
    ),
    prompts: Annotated[
        str, typer.Option(help="Prompts per layer, numbers with commas; 0 for none.")
    ] = "50",
    kind: Annotated[str, typer.Option(help="deep, shallow or both with a comma.")] = "deep",
    batch: Annotated[str, typer.Option(help="Images in a batch, numbers with commas.")] = "8",
    dtype: Annotated[
        str, typer.Option(help="float32, bfloat16, float16; with commas.")
    ] = "float32",
    rounds: Rounds = 15,
    out: Out = None,
) -> None:
    """Time the bare forward, prompts as tokens, the prefix form and a fully mixed batch, side by side.

    Every combination of the options is a cell; within a cell, all take turns in every round.
    """
    asked = (
        one_of(dtype, DTYPES),
        one_of(kind, ("deep", "shallow")),
        integers(prompts),
        integers(batch, 1),
    )
    with one_sentence("bench forward"):
        prepare_place(out)
        from facet_vision.bench.forward import Sweep, measure

        sweep = Sweep(names(backbone), *asked)
        publish(measure(sweep, rounds=rounds, progress=tell), out)
