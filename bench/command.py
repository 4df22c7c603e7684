"""The command `facet bench`: one subcommand for each question."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from facet_vision.common.flags import checked, with_options
from facet_vision.common.terminal import one_sentence

from . import plans

app = typer.Typer(no_args_is_help=True, add_completion=False)

Out = Annotated[
    Path | None,
    typer.Option(help="Folder for the report as Markdown and JSON and for its figures."),
]
Given = Mapping[str, Any]


@app.callback()
def bench() -> None:
    """Measure, side by side in one run."""


@app.command()
@with_options(plans.ForwardPlan)
def forward(given: Given, out: Out = None) -> None:
    """Time the bare forward, prompts as tokens, the prefix form and a fully mixed batch.

    Every combination of the options is a cell; within a cell, all take turns in every round.
    """
    _run("forward", plans.ForwardPlan, given, out)


@app.command()
@with_options(plans.AdaptationsPlan)
def adaptations(given: Given, out: Out = None) -> None:
    """Time mixed batches of LoRA, adapters, biases and the like beside the bare forward."""
    _run("adaptations", plans.AdaptationsPlan, given, out)


@app.command()
@with_options(plans.PrecisionPlan)
def precision(given: Given, out: Out = None) -> None:
    """Compare the accuracy of a lower precision with that of float32, on the builtin tasks."""
    _run("precision", plans.PrecisionPlan, given, out)


@app.command()
@with_options(plans.TrainingPlan)
def training(given: Given, out: Out = None) -> None:
    """Compare a training step of VPT-Deep in the prefix form with one that has prompt tokens."""
    _run("training", plans.TrainingPlan, given, out)


@app.command()
@with_options(plans.MixPlan)
def mix(given: Given, out: Out = None) -> None:
    """Compare the throughput of traffic that asks one task with that of traffic over many."""
    _run("mix", plans.MixPlan, given, out)


@app.command()
@with_options(plans.HttpPlan)
def http(given: Given, out: Out = None) -> None:
    """Compare HTTP with the engine alone; then random arrivals, overload, and one hot task."""
    _run("http", plans.HttpPlan, given, out)


@app.command()
@with_options(plans.ClientsPlan)
def clients(given: Given, out: Out = None) -> None:
    """Compare the Python client with those of the Open Inference Protocol, HTTP and gRPC."""
    _run("clients", plans.ClientsPlan, given, out, module="clients.measure")


@app.command()
@with_options(plans.AttacksPlan)
def attacks(given: Given, out: Out = None) -> None:
    """Attack a server on one connection and time another client; overload it beside slow ones."""
    _run("attacks", plans.AttacksPlan, given, out, module="attacks.measure")


@app.command()
@with_options(plans.SwapPlan)
def swap(given: Given, out: Out = None) -> None:
    """Time uploads until they are live, and compare traffic with and without uploads beside it."""
    _run("swap", plans.SwapPlan, given, out)


@app.command()
@with_options(plans.MemoryPlan)
def memory(given: Given, out: Out = None) -> None:
    """Start a server over few and many tasks: first answer, cold and warm tasks, bytes per task."""
    _run("memory", plans.MemoryPlan, given, out)


@app.command()
@with_options(plans.PeersPlan)
def peers(given: Given, out: Out = None) -> None:
    """Compare Facet with what one would serve the same tasks with instead.

    Same backbone, images, tasks and load; every server is a process of its own and runs alone.
    """
    _run("peers", plans.PeersPlan, given, out, module="peers.compare")


def _run(
    name: str, model: type[BaseModel], given: Given, out: Path | None, module: str | None = None
) -> None:
    """Check what is asked, measure it, print the report, and write it where a folder was given."""
    with one_sentence(f"bench {name}"):
        plan = checked(model, given)
        if out is not None:
            _prepare(out)
        # Late: torch takes seconds to import.
        measure = import_module(f".{module or name}", __package__).measure
        report = measure(plan, _say)
        typer.echo(report.markdown())
        if out is not None:
            report.write(out)


def _prepare(out: Path) -> None:
    """Make the folder of the report and find out before the work whether figures can be drawn."""
    from facet_vision.common.figures import check_place

    out.mkdir(parents=True, exist_ok=True)
    check_place(out / "figure.png")


def _say(line: str) -> None:
    """Say on the terminal what is measured; the report alone goes to standard output."""
    typer.echo(line, err=True)
