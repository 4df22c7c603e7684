"""`facet bench swap`."""

from typing import Annotated

import typer

from facet_vision.bench.options import (
    DTYPES,
    BackboneName,
    Dtype,
    Out,
    Rounds,
    Seconds,
    Tasks,
    Tokens,
    one_of,
    prepare_place,
    publish,
    tell,
)
from facet_vision.common.terminal import one_sentence


def swap(
    backbone: BackboneName = "vit_base_patch16_224",
    dtype: Dtype = "float32",
    tasks: Tasks = 20,
    tokens: Tokens = 50,
    megabytes: Annotated[
        float, typer.Option(min=0.01, help="Size of the uploaded task file.")
    ] = 2.0,
    uploads: Annotated[
        int, typer.Option(min=1, help="Uploads to the idle server in each round.")
    ] = 50,
    clients: Annotated[
        int, typer.Option(min=1, help="Clients of the closed load that finds the saturation.")
    ] = 16,
    load: Annotated[
        float, typer.Option(min=0.01, help="Traffic as share of the saturation.")
    ] = 0.5,
    swaps: Annotated[
        float, typer.Option(min=0.01, help="Uploads per second beside the traffic.")
    ] = 1.0,
    rounds: Rounds = 5,
    seconds: Seconds = 30.0,
    out: Out = None,
) -> None:
    """Time uploads until they are live, and compare traffic with and without uploads beside it."""
    one_of(dtype, DTYPES)
    with one_sentence("bench swap"):
        prepare_place(out)
        from facet_vision.bench.swap import Asked, measure

        sizes = (tasks, tokens, megabytes, uploads, clients, load, swaps, rounds, seconds)
        publish(measure(Asked(backbone, dtype, *sizes), tell), out)
