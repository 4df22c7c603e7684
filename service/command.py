"""`facet serve`: the server on the command line."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from facet_vision.common.terminal import one_sentence

SPIN_COUNT = "10000"
"""How often the threads of a forward look for their next piece of work before they sleep (OpenMP, read when torch is
loaded): long enough for the pause between two operations, about 0.1 ms, and no longer, since others need the cores."""


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 8000 by default, 0 takes a free one.")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="Folder or s3://, gs://, az://, memory: URL of the tasks; ./facet-store."
        ),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="facet-tiny, or a supported timm model by name.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Local weight file for the backbone.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, or a torch device such as cuda:0.")
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(help="auto (bfloat16 where the device has it), float32, bfloat16 or float16."),
    ] = None,
    execution: Annotated[
        str | None, typer.Option(help="auto (by measurement), plain, or packed weights on a CPU.")
    ] = None,
    builtin: Annotated[
        bool | None, typer.Option(help="Seed the store with the demo tasks that fit.")
    ] = None,
    http_workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that speak HTTP and decode; 0, the default, is a single process."
        ),
    ] = None,
    max_batch: Annotated[
        int | None, typer.Option(help="Most images in a forward; 32 by default.")
    ] = None,
    latency_target_seconds: Annotated[
        float | None,
        typer.Option(
            help="How long a forward should take at most, if that leaves half of the throughput."
        ),
    ] = None,
    queue_limit: Annotated[
        int | None, typer.Option(help="Most rows admitted and not yet answered; 512.")
    ] = None,
    device_budget: Annotated[
        str | None,
        typer.Option(
            help="Most bytes of tasks on the device, such as 8GiB; by default by its memory."
        ),
    ] = None,
    host_budget: Annotated[
        str | None,
        typer.Option(help="Most bytes of task files in host memory; by default a quarter of it."),
    ] = None,
    store_poll_seconds: Annotated[
        float | None,
        typer.Option(help="How often to look for other servers' changes in the store; 0 is never."),
    ] = None,
    trust_network: Annotated[
        bool | None, typer.Option(help="Listen beyond loopback without keys.")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info (logs every request), warning or error.")
    ] = None,
) -> None:
    """Serve every task of a store from one backbone, over HTTP.

    Each option, and every other setting of service/settings.py, is also an environment variable: FACET_PORT is --port.
    """
    flags = dict(locals())
    with one_sentence("serve"):
        _serve(flags)


def _serve(flags: dict[str, Any]) -> None:
    from .settings import read_settings

    settings = read_settings(
        flags
    )  # before torch is imported, which takes seconds: a bad flag is told at once
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    from .server import run

    run(settings, announce=lambda text: typer.echo(text))
