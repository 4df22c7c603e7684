"""`facet bench http`."""

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
    Tasks,
    Tokens,
    decimals,
    integers,
    one_of,
    prepare_place,
    publish,
    size,
    tell,
)
from facet_vision.common.terminal import one_sentence


def http(
    backbone: BackboneName = "vit_base_patch16_224",
    dtype: Dtype = "float32",
    tasks: Tasks = 20,
    tokens: Tokens = 50,
    batch: Batch = 32,
    clients: Annotated[
        str, typer.Option(help="Clients that ask in turn, numbers with commas.")
    ] = "1,4,16,64",
    loads: Annotated[
        str, typer.Option(help="Random arrivals as shares of the saturation, with commas.")
    ] = "0.5,0.7,0.9",
    overload: Annotated[
        float, typer.Option(min=0, help="Random arrivals of so many times the saturation.")
    ] = 3.0,
    hot: Annotated[
        float, typer.Option(min=0, help="Times the others' traffic that one hot task gets.")
    ] = 20.0,
    hot_load: Annotated[
        float, typer.Option(min=0.01, help="The other tasks' traffic, as share of saturation.")
    ] = 0.4,
    image_size: Annotated[
        str, typer.Option(help="Width x height of the images that are sent.")
    ] = "500x375",
    rounds: Rounds = 5,
    seconds: Seconds = 10.0,
    out: Out = None,
) -> None:
    """Compare HTTP with the engine alone; then random arrivals, overload, and one hot task. 0 leaves a part out."""
    one_of(dtype, DTYPES)
    numbers, pixels = (integers(clients, 1), decimals(loads)), size(image_size)
    with one_sentence("bench http"):
        prepare_place(out)
        from facet_vision.bench.http import Asked, measure

        asked = Asked(
            backbone,
            dtype,
            tasks,
            tokens,
            batch,
            *numbers,
            overload,
            hot,
            hot_load,
            rounds,
            seconds,
            pixels,
        )
        publish(measure(asked, tell), out)
