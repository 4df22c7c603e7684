"""`facet bench training`."""

from typing import Annotated

import typer

from facet_vision.bench.options import (
    BackboneName,
    Out,
    Rounds,
    one_of,
    prepare_place,
    publish,
    tell,
)
from facet_vision.common.terminal import one_sentence

DTYPES = ("float32", "bfloat16")


def training(
    backbone: BackboneName = "vit_base_patch16_224",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or both with a comma.")] = "float32",
    prompts: Annotated[int, typer.Option(min=1, help="Prompts in every layer.")] = 50,
    batch: Annotated[int, typer.Option(min=1, help="Images in a step.")] = 8,
    context: Annotated[
        bool, typer.Option(help="Also a step of the head alone and of full fine-tuning.")
    ] = True,
    memory: Annotated[
        bool, typer.Option(help="Measure the memory too, every step in a process of its own.")
    ] = True,
    rounds: Rounds = 9,
    out: Out = None,
) -> None:
    """Compare a training step of VPT-Deep in the prefix form with one that carries its prompts as tokens."""
    dtypes = one_of(dtype, DTYPES)
    with one_sentence("bench training"):
        prepare_place(out)
        from facet_vision.bench.training import PREFIX, STEPS, TOKENS, Asked, measure

        steps = tuple(STEPS) if context else (TOKENS, PREFIX)
        publish(measure(Asked(backbone, dtypes, prompts, batch, steps, rounds, memory), tell), out)
