"""The commands `facet push`, `facet predict` and `facet tasks`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facet_vision.common.terminal import one_sentence

if TYPE_CHECKING:
    from .client import Client

URL = "http://127.0.0.1:8000"

ToUrl = Annotated[str, typer.Option("--to", help="Address of the server.")]
Url = Annotated[str, typer.Argument(help="Address of the server.")]
Images = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Image files.")]


def push(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Task file to upload.")],
    to: ToUrl = URL,
    activate: Annotated[bool, typer.Option(help="Make it live at once.")] = True,
) -> None:
    """Upload a task file; the server's next request sees it."""
    data = file.read_bytes()
    with _client(to, "push") as client:
        task = _task_name(data)
        made = client.upload(task, data, activate=activate)
        live = "live" if made["live"] else "stored, not live"
        typer.echo(f"{task} version {made['version']} is {live} at {to}")


def predict(
    url: Url,
    task: Annotated[str, typer.Argument(help="Name of the task.")],
    images: Images,
    top_k: Annotated[int, typer.Option(min=1, help="Labels to show for each image.")] = 3,
) -> None:
    """Ask a task about one or several images."""
    files = [(str(image), image.read_bytes()) for image in images]
    with _client(url, "predict") as client:
        results = client.predict(task, files, top_k=top_k)
    for image, result in zip(images, results, strict=True):
        labels = [f"{each['label']} {_number(each):.3f}" for each in result["predictions"]]
        typer.echo(f"{image}: {', '.join(labels)}")


def tasks(url: Annotated[str, typer.Argument(help="Address of the server.")] = URL) -> None:
    """List the tasks of a server."""
    with _client(url, "tasks") as client:
        listed = client.tasks()
    if not listed["tasks"]:
        typer.echo(f"no tasks yet: facet push FILE --to {url}")
    width = max((len(task["task"]) for task in listed["tasks"]), default=0)
    for task in listed["tasks"]:
        typer.echo(f"{task['task']:<{width}}  {_describe(task)}")


@contextmanager
def _client(url: str, command: str) -> "Iterator[Client]":
    from .client import Client

    with one_sentence(command), Client(url) as client:
        yield client


def _task_name(data: bytes) -> str:
    """Return the name in a task file's manifest.

    Only the header is read, without torch; the server checks the rest.
    """
    from facet_vision.prompts_store import Manifest
    from facet_vision.prompts_store.header import read_header

    return Manifest.from_json(read_header(data).manifest).task


def _number(prediction: dict[str, Any]) -> float:
    """Return the probability, or the score of a task without activation."""
    number: float = prediction["probability" if "probability" in prediction else "score"]
    return number


def _describe(task: dict[str, Any]) -> str:
    if task["state"] != "live":
        return f"{task['state']}: {task['reason']}" if "reason" in task else str(task["state"])
    parts = [
        f"version {task['live']} of {task['versions']}",
        task["method"],
        f"{len(task['labels'])} labels",
        *(f"{name} {value:.3f}" for name, value in task["metrics"].items()),
    ]
    return ", ".join(parts)
