"""`facet bench`: one subcommand per question, each in a module of `commands`."""

import typer

from .commands.forward import forward

app = typer.Typer(help="Measure, side by side in one run.", no_args_is_help=True)
for command in (forward,):
    app.command()(command)


@app.callback()
def bench() -> None:
    """Measure, side by side in one run."""
