"""The command `facet trainings`: train on a server, with images that are sent to it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from facet_vision.common.exits import ExitCode
from facet_vision.common.terminal import aligned, complain
from facet_vision.service.client.examples import by_folder
from facet_vision.service.client.options import URL, AsJson, Key, Server, connected, print_json

if TYPE_CHECKING:
    from facet_vision.service.client.client import Client

    from .answers import TrainingDetail, TrainingSummary

POLL_SECONDS = 1.0

app = typer.Typer(no_args_is_help=True, add_completion=False)

Id = Annotated[str, typer.Argument(help="Id of the training.")]


@app.callback()
def trainings() -> None:
    """Train on a server, with images that are sent to it."""


@app.command(name="list")
def list_trainings(server: Server = URL, key: Key = None, as_json: AsJson = False) -> None:
    """List the trainings of the tasks that the key covers."""
    with connected(server, "trainings list", key) as client:
        found = client.trainings()
    if as_json:
        print_json(found.document())
        return
    for row in aligned([_row(each) for each in found.trainings]):
        typer.echo(row)


@app.command()
def show(id: Id, server: Server = URL, key: Key = None, as_json: AsJson = False) -> None:
    """Show a training, and what came of it."""
    with connected(server, "trainings show", key) as client:
        found = client.training(id)
    _tell(found, as_json)


@app.command()
def start(
    folders: Annotated[
        list[str], typer.Argument(help="Folders with a folder of images for each label.")
    ],
    task: Annotated[str, typer.Option(help="Task to train.")],
    method: Annotated[
        str | None, typer.Option(help="Method to train by.", show_default="auto")
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(min=1, help="Seconds for trying methods and training.", show_default="120"),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            min=60,
            help="Seconds after which the server deletes the training and its images.",
            show_default="a day",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until it has ended.")] = False,
    server: Server = URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Send labelled images, and train on them."""
    with connected(server, "trainings start", key) as client:
        labelled = by_folder(folders)
        made = client.create_training(task, method=method, budget_seconds=budget, keep_seconds=keep)
        client.add_training_images(made.id, labelled)
        client.start_training(made.id)
        found = _ended(client, made.id) if wait else client.training(made.id)
    _tell(found, as_json)
    if wait and found.state != "done":
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def cancel(id: Id, server: Server = URL, key: Key = None) -> None:
    """Take a training out of the queue, or end it."""
    with connected(server, "trainings cancel", key) as client:
        found = client.cancel_training(id)
    typer.echo("  ".join(_row(found)))


@app.command()
def publish(
    id: Id,
    activate: Annotated[bool, typer.Option(help="Make it live at once.")] = True,
    server: Server = URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Make the next version of its task of what a training made."""
    with connected(server, "trainings publish", key) as client:
        made = client.publish_training(id, activate=activate)
    if as_json:
        print_json(made.document())
        return
    live = "live" if made.live else "stored, not live"
    typer.echo(f"{made.task} version {made.version} is {live}")


@app.command()
def delete(
    ids: Annotated[list[str], typer.Argument(help="Of trainings.")],
    server: Server = URL,
    key: Key = None,
) -> None:
    """Delete trainings with their images and all; what was published of them stays."""
    with connected(server, "trainings delete", key) as client:
        for id in ids:
            client.delete_training(id)


def _ended(client: Client, id: str) -> TrainingDetail:
    """Wait for the end of a training; say on standard error how far it is."""
    said = ""
    while (found := client.training(id)).busy:
        if (line := _progress(found)) != said:
            typer.echo(line, err=True)
            said = line
        time.sleep(POLL_SECONDS)
    return found


def _progress(training: TrainingSummary) -> str:
    told = {name: value for name, value in (training.progress or {}).items() if value is not None}
    parts = [str(told.get("phase", training.state)), str(told.get("method", ""))]
    if "total" in told:
        parts.append(f"{told.get('done', 0)}/{told['total']}")
    parts += [f"{name} {told[name]:.3f}" for name in ("loss", "score") if name in told]
    return f"{training.task}: {' '.join(filter(None, parts))}"


def _row(training: TrainingSummary) -> tuple[str, ...]:
    images = sum(label.count for label in training.labels)
    version = f"version {training.published}" if training.published else ""
    counts = f"{len(training.labels)} labels, {images} images"
    return training.id, training.task, training.state, training.method, counts, version


def _tell(training: TrainingDetail, as_json: bool) -> None:
    if as_json:
        print_json(training.document())
        return
    typer.echo("  ".join(filter(None, _row(training))))
    if training.error:
        complain(training.error)
    if training.result is None:
        return
    result = training.result
    low, high = result.interval
    typer.echo(
        f"accuracy {result.accuracy:.3f} ({low:.3f} to {high:.3f}) on {result.held_out_images} "
        f"held-out images by {result.method}, after {result.seconds:.0f} s"
    )
    for each in result.wrong:
        typer.echo(f"  wrong: {each.image} {each.label}, answered {each.predicted}")
    for each in result.doubtful:
        typer.echo(f"  doubtful: {each.image} {each.label}, suggested {each.suggested}")
