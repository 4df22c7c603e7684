"""The command `facet store`: care for a store, with or without a server that serves it."""

import time
from typing import Annotated

import typer

from facet_vision.common.terminal import one_sentence

HOUR = 3600.0

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def store() -> None:
    """Care for a store: free its space."""


@app.command()
def prune(
    store: Annotated[
        str, typer.Argument(help="Folder, or s3://, gs:// or az:// URL, as facet serve takes it.")
    ],
    keep: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Also delete versions that are not live, but for the newest N of each task; "
            "without it, no version is deleted.",
            metavar="N",
        ),
    ] = None,
    age: Annotated[
        float,
        typer.Option(
            min=0,
            help="Seconds that an incomplete upload must be old: a younger one may be under way. "
            "0 only while no server uses the store.",
        ),
    ] = HOUR,
    dry_run: Annotated[bool, typer.Option(help="Only say what would be removed.")] = False,
) -> None:
    """Remove what uploads that were cut off have left, and say what that frees.

    With --keep also old versions. What is live is never touched, and no history.
    """
    from facet_vision.prompts_store.prune import Pruner
    from facet_vision.prompts_store.storage.objects import open_objects

    count = size = 0
    with one_sentence("store prune"):
        objects = open_objects(store, tidy=False)
        for pruned in Pruner(objects, now=time.time(), age=age, keep=keep).prune(dry_run=dry_run):
            verb = "would remove" if dry_run else "removed"
            typer.echo(f"{verb} {pruned.path}, {_size(pruned.size)}: {pruned.why}")
            count, size = count + 1, size + pruned.size
        verb = "would free" if dry_run else "freed"
        typer.echo(f"{verb} {_size(size)} in {count} {'file' if count == 1 else 'files'}")


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1000:.1f} kB"
