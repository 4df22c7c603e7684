"""The commands about one task of a server: its versions, and which of them is live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facet_vision.common.terminal import aligned

from .options import URL, AsJson, Key, Server, connected, print_json

if TYPE_CHECKING:
    from .answers import VersionRecord

Task = Annotated[str, typer.Argument(help="Name of the task.")]
Number = Annotated[int, typer.Argument(min=1, help="Number of the version.")]


def versions(task: Task, server: Server = URL, key: Key = None, as_json: AsJson = False) -> None:
    """List the versions of a task, and say which one is live."""
    from .words import describe

    with connected(server, "versions", key) as client:
        found = client.task(task)
    shown = found.document()
    if as_json:
        names = ("task", "state", "reason", "live", "stored", "history")
        print_json({name: shown[name] for name in names if name in shown})
        return
    typer.echo(f"{task}  {describe(shown)}")
    for row in aligned([_row(version, found.live) for version in found.stored]):
        typer.echo(f"  {row}")


def activate(task: Task, version: Number, server: Server = URL, key: Key = None) -> None:
    """Make a stored version of a task the live one."""
    with connected(server, "activate", key) as client:
        client.activate(task, version)
    typer.echo(f"{task} version {version} is live at {server}")


def rollback(task: Task, server: Server = URL, key: Key = None) -> None:
    """Go back to the version that was live before the one that is.

    A second rollback undoes the first. A retired task gets its last live version back.
    """
    with connected(server, "rollback", key) as client:
        version = client.rollback(task).version
    typer.echo(f"{task} version {version} is live at {server}")


def retire(task: Task, server: Server = URL, key: Key = None) -> None:
    """Take a task out of service; its versions stay in the store."""
    with connected(server, "retire", key) as client:
        client.retire(task)
    where = "" if server == URL else f" --server {server}"
    typer.echo(f"{task} is retired at {server}; facet rollback {task}{where} brings it back")


def delete(task: Task, version: Number, server: Server = URL, key: Key = None) -> None:
    """Delete a version that is not live, for ever."""
    with connected(server, "delete", key) as client:
        client.delete(task, version)
    typer.echo(f"{task} version {version} is deleted at {server}")


def download(
    task: Task,
    version: Annotated[
        int | None, typer.Argument(min=1, help="Number of the version; the live one if not given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write; TASK-vN.safetensors if not given.")
    ] = None,
    server: Server = URL,
    key: Key = None,
) -> None:
    """Download the task file of a version."""
    from facet_vision.prompts_store import durable

    with connected(server, "download", key) as client:
        number = client.live_version(task) if version is None else version
        data = client.download(task, number)
        file = out or Path(f"{task}-v{number}.safetensors")
        durable.replace(file, data)
    typer.echo(f"wrote {file} ({len(data) / 1000:.0f} kB), version {number} of {task}")


def _row(version: VersionRecord, live: int | None) -> list[str]:
    return [
        f"version {version.number}",
        "live" if version.number == live else "",
        f"{version.size / 1000:.0f} kB",
        f"{version.at:%Y-%m-%d %H:%M} UTC",
        f"by {version.by}",
        f"sha256 {version.sha256[:12]}",
    ]
