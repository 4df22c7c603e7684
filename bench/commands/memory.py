"""`facet bench memory`."""

from typing import Annotated

import typer

from facet_vision.bench.options import (
    DTYPES,
    BackboneName,
    Dtype,
    Out,
    Rounds,
    Tokens,
    integers,
    one_of,
    prepare_place,
    publish,
    tell,
)
from facet_vision.common.terminal import one_sentence


def memory(
    backbone: BackboneName = "facet-tiny",
    dtype: Dtype = "float32",
    kinds: Annotated[
        str, typer.Option(help="deep, shallow, linear; with commas.")
    ] = "deep,shallow,linear",
    tokens: Tokens = 50,
    labels: Annotated[int, typer.Option(min=1, help="Classes of a task.")] = 10,
    tasks: Annotated[
        str, typer.Option(help="Tasks in the store, numbers with commas.")
    ] = "10,100,1000,10000",
    ask: Annotated[
        int, typer.Option(min=2, help="Most tasks that are asked once a server has started.")
    ] = 1000,
    rounds: Rounds = 3,
    out: Out = None,
) -> None:
    """Start a server over few and many tasks: seconds to the first answer, cold and warm tasks, bytes per task."""
    one_of(dtype, DTYPES)
    chosen = one_of(kinds, ("deep", "shallow", "linear"))
    with one_sentence("bench memory"):
        prepare_place(out)
        from facet_vision.bench.memory import Asked, measure

        publish(
            measure(
                Asked(backbone, dtype, chosen, tokens, labels, integers(tasks, 1), ask, rounds),
                tell,
            ),
            out,
        )
