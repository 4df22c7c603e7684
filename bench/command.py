"""`facet bench`: one subcommand per question, each in a module of `commands`."""

import typer

from .commands.forward import forward
from .commands.http import http
from .commands.memory import memory
from .commands.mix import mix
from .commands.peers import peers
from .commands.precision import precision
from .commands.swap import swap
from .commands.training import training

app = typer.Typer(help="Measure, side by side in one run.", no_args_is_help=True)
for command in (forward, precision, training, mix, http, swap, memory, peers):
    app.command()(command)


@app.callback()
def bench() -> None:
    """Measure, side by side in one run."""
