"""The `facet` command: its subcommands by name, each loaded from its room when it is called."""

import typer

from facet_vision.common.lazy import LazyCommand, LazyGroup

SERVER = "Serving"
SERVED = "Tasks of a server"
LEARN = "Learning"
STUDY = "Reports"

COMMANDS = (
    LazyCommand(
        "serve",
        "service.command",
        "Serve every task of a store from one backbone, over HTTP.",
        SERVER,
    ),
    LazyCommand(
        "keys",
        "service.access.command",
        "Make, list and revoke the keys of a server.",
        SERVER,
    ),
    LazyCommand(
        "push",
        "service.client.command",
        "Upload a task file; the server's next request sees it.",
        SERVED,
    ),
    LazyCommand(
        "predict", "service.client.command", "Ask a task about one or several images.", SERVED
    ),
    LazyCommand("tasks", "service.client.command", "List the tasks of a server.", SERVED),
    LazyCommand(
        "events",
        "service.client.command",
        "List the last changes of a server's tasks, the newest first.",
        SERVED,
    ),
    LazyCommand(
        "versions",
        "service.client.versions",
        "List the versions of a task, and say which one is live.",
        SERVED,
    ),
    LazyCommand(
        "activate",
        "service.client.versions",
        "Make a stored version of a task the live one.",
        SERVED,
    ),
    LazyCommand(
        "rollback",
        "service.client.versions",
        "Go back to the version that was live before the one that is.",
        SERVED,
    ),
    LazyCommand(
        "retire",
        "service.client.versions",
        "Take a task out of service; its versions stay in the store.",
        SERVED,
    ),
    LazyCommand(
        "download", "service.client.versions", "Download the task file of a version.", SERVED
    ),
    LazyCommand(
        "delete", "service.client.versions", "Delete a version that is not live, for ever.", SERVED
    ),
    LazyCommand(
        "examples",
        "service.client.examples",
        "Teach a server's instant task by images, and let it forget.",
        SERVED,
    ),
    LazyCommand("store", "service.store_command", "Care for a store: free its space.", SERVER),
    LazyCommand(
        "backbones",
        "common.backbones",
        "List the names that --backbone takes, with family and image size.",
        LEARN,
    ),
    LazyCommand(
        "train",
        "training.command",
        "Train a task on labelled images and write its task file.",
        LEARN,
    ),
    LazyCommand(
        "evaluate",
        "evaluate",
        "Measure a task on labelled images: by label, confusions, calibration.",
        LEARN,
    ),
    LazyCommand(
        "show", "service.client.show", "Show what a task file holds, without loading it.", LEARN
    ),
    LazyCommand(
        "migrate",
        "training.migrate",
        "State the whole identity of their backbone in task files of an older release.",
        LEARN,
    ),
    LazyCommand(
        "import",
        "training.exchange.import_command",
        "Make a task file of what another tool has trained.",
        LEARN,
    ),
    LazyCommand(
        "export",
        "training.exchange.export_command",
        "Write a task and its backbone as one ONNX model.",
        LEARN,
    ),
    LazyCommand(
        "pretrain",
        "training.pretrain.command",
        "Pre-train the embedded backbone on generated images and export its weights.",
        LEARN,
    ),
    LazyCommand(
        "compare",
        "training.comparison.command",
        "Train every method on every task with every seed, and write a report with tables and "
        "figures.",
        STUDY,
    ),
    LazyCommand(
        "ablate",
        "training.ablation.command",
        "Vary one thing about prompts, and write a table, its numbers and a figure.",
        STUDY,
    ),
    LazyCommand(
        "unseen",
        "training.unseen.command",
        "Keep classes out of training and measure which score tells their images from the others.",
        STUDY,
    ),
    LazyCommand(
        "tsne",
        "training.embedding.command",
        "Show held-out images by their features, without prompts and under each file.",
        STUDY,
    ),
    LazyCommand(
        "attention",
        "training.attention.command",
        "Draw the attention of the class token over images, with a task and without.",
        STUDY,
    ),
    LazyCommand("bench", "bench.command", "Measure, side by side in one run.", STUDY),
)
"""All subcommands, in the order of the help."""


class Facet(LazyGroup):
    """The group of all subcommands."""

    lazy = COMMANDS


app = typer.Typer(cls=Facet, no_args_is_help=True, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        from facet_vision import __version__

        typer.echo(f"facet {__version__}")
        raise typer.Exit


@app.callback()
def facet(
    version: bool = typer.Option(
        False,
        "--version",
        help="Show the version and exit.",
        callback=_print_version,
        is_eager=True,
    ),
) -> None:
    """Many vision tasks from one frozen transformer: train, store and serve visual prompts."""
