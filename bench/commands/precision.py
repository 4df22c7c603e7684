"""`facet bench precision`."""

from typing import Annotated, Literal

import typer

from facet_vision.bench.options import Out, names, one_of, prepare_place, publish, tell
from facet_vision.common.terminal import one_sentence


def precision(
    dtype: Annotated[
        Literal["bfloat16", "float16"], typer.Option(help="The lower precision.")
    ] = "bfloat16",
    tasks: Annotated[str, typer.Option(help="Builtin tasks with commas; all unless given.")] = "",
    images: Annotated[
        int | None, typer.Option(min=2, help="Most held-out images of a task; all unless given.")
    ] = None,
    out: Out = None,
) -> None:
    """Compare the accuracy of a lower precision with that of float32, on the builtin tasks."""
    with one_sentence("bench precision"):
        from facet_vision.prompts_store import builtin

        chosen = one_of(tasks, tuple(builtin.names())) if names(tasks) else builtin.names()
        prepare_place(out)
        from facet_vision.bench.precision import measure

        publish(measure(dtype, tasks=chosen, most=images, progress=tell), out)
