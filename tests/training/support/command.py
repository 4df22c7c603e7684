"""`facet train` on a command line."""

import typer
from typer.testing import CliRunner

from facet_vision.training.command import train

app = typer.Typer()
app.command()(train)


def run_train(*arguments: object) -> tuple[int, str, str]:
    """Its exit code, standard output and standard error."""
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], env={"COLUMNS": "400"}
    )
    return result.exit_code, result.stdout, result.stderr
