"""The command `facet examples`: teach a server's instant task by images, and let it forget."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facet_vision.common.errors import UsageError
from facet_vision.common.terminal import aligned, one_sentence

from .options import URL, AsJson, Key, Server, connected, print_json

if TYPE_CHECKING:
    from .answers import ExamplesChanged, LabelCount

app = typer.Typer(no_args_is_help=True, add_completion=False)

Task = Annotated[str, typer.Argument(help="Name of the task.")]


@app.callback()
def examples() -> None:
    """Teach a server's instant task by images, and let it forget."""


@app.command()
def add(
    task: Task,
    images: Annotated[
        list[str],
        typer.Argument(
            help="Folders with a folder of images for each label; with --label, image files, "
            "folders of images, or quoted patterns."
        ),
    ],
    label: Annotated[str | None, typer.Option(help="Label of all the images.")] = None,
    method: Annotated[
        Literal["ncm", "knn", "lda"] | None,
        typer.Option(help="Of a task that begins.", show_default="lda"),
    ] = None,
    adaptation: Annotated[
        str | None,
        typer.Option(
            help="Task under whose adaptation the images of one that begins become features.",
            show_default="the bare backbone",
        ),
    ] = None,
    server: Server = URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Send labelled images; the server's next request sees them."""
    with connected(server, "examples add", key) as client:
        found = by_folder(images) if label is None else {label: _files(images)}
        made = client.add_examples(task, found, method=method, adaptation=adaptation)
    _tell(made, as_json)


@app.command(name="list")
def list_examples(
    task: Task, server: Server = URL, key: Key = None, as_json: AsJson = False
) -> None:
    """List the labels of a task with the number of their examples; as JSON with their ids."""
    with connected(server, "examples list", key) as client:
        found = client.examples(task)
    if as_json:
        print_json(found.document())
        return
    typer.echo(f"{task} version {found.version}, {found.method}")
    _rows(found.labels)


@app.command()
def method(
    task: Task,
    name: Annotated[Literal["ncm", "knn", "lda"], typer.Argument(help="The method from now on.")],
    server: Server = URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Tell the labels of a task apart by another method; its examples stay."""
    with connected(server, "examples method", key) as client:
        made = client.change_method(task, name)
    _tell(made, as_json)


@app.command()
def forget(
    task: Task,
    ids: Annotated[
        list[str] | None, typer.Argument(help="Of examples; each that is forgotten is a version.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Label to forget with all of its examples.")
    ] = None,
    server: Server = URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Forget a label, or examples by their ids; the server's next request is answered without."""
    with one_sentence("examples forget"):
        if (label is None) == (not ids):
            found = "none" if label is None else "both"
            raise UsageError(f"forget: expected --label LABEL or ids of examples, found {found}")
    with connected(server, "examples forget", key) as client:
        if label is not None:
            made = client.forget(task, label=label)
        for id in ids or ():
            made = client.forget(task, example=id)
    _tell(made, as_json)


def by_folder(folders: Sequence[str]) -> dict[str, list[Path]]:
    """Return the images in folders of labels.

    Raises:
        UsageError: one is no folder of folders of images.
    """
    from facet_vision.common.image_files import images_below, subfolders

    found: dict[str, list[Path]] = {}
    for text in folders:
        root = Path(text)
        labels = subfolders(root) if root.is_dir() else []
        if not labels:
            raise UsageError(
                "images: expected a folder with a folder of images for each label, or --label "
                f"LABEL, found {text}"
            )
        for folder in labels:
            # The same name is written with different characters by different systems.
            label = unicodedata.normalize("NFC", folder.name)
            found.setdefault(label, []).extend(images_below(folder))
    if empty := [label for label, images in found.items() if not images]:
        raise UsageError(f"images: expected images for each label, found none for {empty[0]!r}")
    return found


def _files(images: Sequence[str]) -> list[Path]:
    from .images import expand

    return expand(images)


def _tell(made: ExamplesChanged, as_json: bool) -> None:
    if as_json:
        print_json(made.document())
        return
    typer.echo(f"{made.task} version {made.version} is live")
    _rows(made.labels)


def _rows(labels: Sequence[LabelCount]) -> None:
    for row in aligned([(each.label, str(each.count)) for each in labels]):
        typer.echo(f"  {row}")
