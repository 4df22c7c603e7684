"""The commands `facet push`, `facet predict`, `facet tasks` and `facet events`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facet_vision.common.exits import ExitCode
from facet_vision.common.terminal import aligned, complain

from .options import URL, AsJson, Key, connected, print_json

if TYPE_CHECKING:
    from .answers import PredictResult

Url = Annotated[str, typer.Argument(help="Address of the server.")]


def push(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Task file to upload.")],
    to: Annotated[str, typer.Option("--to", "--server", help="Address of the server.")] = URL,
    activate: Annotated[bool, typer.Option(help="Make it live at once.")] = True,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Upload a task file; the server's next request sees it."""
    with connected(to, "push", key) as client:
        data = file.read_bytes()
        task = _task_name(data)
        made = client.publish(task, data, activate=activate)
    if as_json:
        print_json(made.document())
        return
    live = "live" if made.live else "stored, not live"
    typer.echo(f"{task} version {made.version} is {live} at {to}")


def predict(
    url: Url,
    task: Annotated[str, typer.Argument(help="Name of the task.")],
    images: Annotated[
        list[str], typer.Argument(help="Image files, folders of images, or quoted patterns.")
    ],
    top_k: Annotated[int, typer.Option(min=1, help="Labels to show for each image.")] = 3,
    abstain: Annotated[
        bool,
        typer.Option(
            "--abstain", help="Let the task say that an image is none of its own, by its threshold."
        ),
    ] = False,
    key: Key = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object in a line for each image.")
    ] = False,
) -> None:
    """Ask a task about one or several images.

    An image that cannot be answered is named; the others are answered.
    """
    from .images import ask, expand

    show = _show_json if as_json else _show
    failed = 0
    with connected(url, "predict", key) as client:
        paths = expand(images)
        for answer in ask(client, task, paths, top_k=top_k, abstain=abstain):
            show(answer.path, answer.result, answer.error)
            failed += answer.error is not None
    if failed:
        raise typer.Exit(ExitCode.PARTIAL if failed < len(paths) else ExitCode.FAILED)


def tasks(url: Url = URL, key: Key = None, as_json: AsJson = False) -> None:
    """List the tasks of a server."""
    from .words import describe

    with connected(url, "tasks", key) as client:
        listed = client.tasks()
    if as_json:
        print_json(listed.document())
        return
    if not listed.tasks:
        typer.echo(f"no tasks yet: facet push FILE --to {url}")
    width = max((len(task.task) for task in listed.tasks), default=0)
    for task in listed.tasks:
        typer.echo(f"{task.task:<{width}}  {describe(task.document())}")


def events(
    url: Url = URL,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most changes to list.")] = 20,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List the last changes of a server's tasks, the newest first."""
    with connected(url, "events", key) as client:
        found = client.events(limit)
    if as_json:
        print_json(found.document())
        return
    rows = [
        [f"{each.at:%Y-%m-%d %H:%M} UTC", each.task, f"{each.event} {each.version}", each.by]
        for each in found.events
    ]
    for row in aligned(rows):
        typer.echo(row)
    if found.unread:
        complain(f"facet events: the histories of {found.unread} tasks are not read yet")


def _task_name(data: bytes) -> str:
    """Return the name in a task file's manifest.

    Only the header is read, without torch; the server checks the rest.
    """
    from facet_vision.prompts_store import Manifest
    from facet_vision.prompts_store.header import read_header

    return Manifest.from_json(read_header(data).manifest).task


def _show(path: Path, result: PredictResult | None, error: str | None) -> None:
    if result is None:
        complain(f"facet predict: {path}: {error}")
        return
    ranked = ", ".join(f"{each.label} {each.value:.3f}" for each in result.predictions)
    if result.reason:
        typer.echo(f"{path}: no label, {result.reason}; {ranked}")
    elif result.labels:
        typer.echo(f"{path}: {', '.join(result.labels)}; {ranked}")
    else:
        typer.echo(f"{path}: {ranked}")


def _show_json(path: Path, result: PredictResult | None, error: str | None) -> None:
    # The place among all images says nothing that the order of the lines does not say.
    found = {"error": error} if result is None else result.document()
    fields = {name: value for name, value in found.items() if name not in ("image", "file")}
    typer.echo(json.dumps({"file": str(path)} | fields, ensure_ascii=False))
