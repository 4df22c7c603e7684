"""`facet bench`: one subcommand per question, each in a module of `commands`."""

import typer

from facet_vision.bench.commands.forward import forward
from facet_vision.bench.commands.http import http
from facet_vision.bench.commands.memory import memory
from facet_vision.bench.commands.mix import mix
from facet_vision.bench.commands.peers import peers
from facet_vision.bench.commands.precision import precision
from facet_vision.bench.commands.swap import swap
from facet_vision.bench.commands.training import training

app = typer.Typer(help="Measure, side by side in one run.", no_args_is_help=True)
for command in (forward, precision, training, mix, http, swap, memory, peers):
    app.command()(command)


@app.callback()
def bench() -> None:
    """Measure, side by side in one run."""
