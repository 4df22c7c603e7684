"""`facet bench mix`."""

from typing import Annotated

import typer

from facet_vision.bench.options import (
    DTYPES,
    BackboneName,
    Batch,
    Dtype,
    Out,
    Rounds,
    Seconds,
    Tokens,
    integers,
    one_of,
    prepare_place,
    publish,
    tell,
)
from facet_vision.common.terminal import one_sentence


def mix(
    backbone: BackboneName = "vit_base_patch16_224",
    dtype: Dtype = "float32",
    tokens: Tokens = 50,
    batch: Batch = 32,
    tasks: Annotated[
        str, typer.Option(help="Tasks in the traffic, numbers with commas.")
    ] = "1,10,100,1000",
    traffic: Annotated[
        str, typer.Option(help="uniform, zipf or both with a comma.")
    ] = "uniform,zipf",
    levels: Annotated[str, typer.Option(help="engine, http or both with a comma.")] = "engine,http",
    clients: Annotated[int, typer.Option(min=1, help="Clients of the closed load over HTTP.")] = 64,
    rounds: Rounds = 5,
    seconds: Seconds = 10.0,
    out: Out = None,
) -> None:
    """Compare the throughput of traffic that asks one task with that of traffic over many."""
    one_of(dtype, DTYPES)
    chosen = (
        integers(tasks, 1),
        one_of(traffic, ("uniform", "zipf")),
        one_of(levels, ("engine", "http")),
    )
    with one_sentence("bench mix"):
        prepare_place(out)
        from facet_vision.bench.mix import Asked, measure

        publish(
            measure(Asked(backbone, dtype, tokens, batch, *chosen, clients, rounds, seconds), tell),
            out,
        )
