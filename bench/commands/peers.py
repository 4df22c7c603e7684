"""`facet bench peers`."""

from typing import Annotated

import typer

from facet_vision.bench.options import (
    DTYPES,
    Batch,
    Dtype,
    Out,
    Rounds,
    Seconds,
    Tasks,
    Tokens,
    integers,
    one_of,
    prepare_place,
    publish,
    tell,
)
from facet_vision.common.terminal import one_sentence

PEERS = ("fastapi", "litserve", "peft", "ray", "onnx")


def peers(
    peer: Annotated[str, typer.Option(help=f"{', '.join(PEERS)}; with commas.")] = ",".join(PEERS),
    backbone: Annotated[
        str, typer.Option(help="A timm name; weights are random.")
    ] = "vit_base_patch16_224",
    dtype: Dtype = "float32",
    peer_dtype: Annotated[
        str | None, typer.Option(help="What the others compute in, if not the same.")
    ] = None,
    tasks: Tasks = 20,
    tokens: Tokens = 50,
    batch: Batch = 32,
    clients: Annotated[
        str, typer.Option(help="Clients that ask in turn, numbers with commas.")
    ] = "1,4,16,64",
    rounds: Rounds = 3,
    seconds: Seconds = 20.0,
    out: Out = None,
) -> None:
    """Compare Facet with what one would serve the same tasks with instead.

    Same backbone, images, tasks and load; every server is a process of its own and runs alone.
    """
    theirs = peer_dtype or dtype
    for precision in (dtype, theirs):
        one_of(precision, DTYPES)
    chosen, numbers = one_of(peer, PEERS), integers(clients, 1)
    with one_sentence("bench peers"):
        prepare_place(out)
        from facet_vision.bench.peers.compare import Asked, measure

        asked = Asked(
            chosen, backbone, dtype, theirs, tasks, tokens, batch, numbers, rounds, seconds
        )
        publish(measure(asked, tell), out)
