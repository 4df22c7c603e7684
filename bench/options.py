"""What the subcommands' options share; light, because the terminal waits for it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from facet_vision.bench.reporting.report import Report

DTYPES = ("float32", "bfloat16", "float16")

Out = Annotated[
    Path | None,
    typer.Option(help="Folder for the report as Markdown and JSON and for its figures."),
]
Rounds = Annotated[int, typer.Option(min=1, help="Rounds; every contender runs once in each.")]
Seconds = Annotated[float, typer.Option(min=0.1, help="Seconds of each measurement.")]
BackboneName = Annotated[
    str, typer.Option("--backbone", help="facet-tiny or a timm name; timm's get random weights.")
]
Dtype = Annotated[str, typer.Option(help="float32, bfloat16 or float16.")]
Tasks = Annotated[int, typer.Option(min=1, help="Tasks that are served.")]
Batch = Annotated[int, typer.Option(min=1, help="Most images in a forward.")]
Tokens = Annotated[int, typer.Option(min=0, help="Prompts in every layer of a task.")]


def names(text: str) -> list[str]:
    """The parts of a comma-separated option, each once."""
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def integers(text: str, least: int = 0) -> list[int]:
    """Whole numbers with commas between."""
    values = names(text)
    if not all(value.isdecimal() and int(value) >= least for value in values):
        raise typer.BadParameter(
            f"expected whole numbers from {least} on with commas between, found {text!r}"
        )
    return [int(value) for value in values]


def size(text: str) -> tuple[int, int]:
    """Width and height, as in 500x375."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise typer.BadParameter(f"expected a width and a height such as 500x375, found {text!r}")
    return int(width), int(height)


def decimals(text: str) -> list[float]:
    """Positive numbers with commas between."""
    try:
        values = [float(value) for value in names(text)]
    except ValueError:
        values = [-1.0]
    if not all(0 < value < float("inf") for value in values):
        raise typer.BadParameter(f"expected positive numbers with commas between, found {text!r}")
    return values


def one_of(text: str, allowed: tuple[str, ...]) -> list[str]:
    """Names of a closed set with commas between."""
    for name in names(text):
        if name not in allowed:
            raise typer.BadParameter(f"expected some of {', '.join(allowed)}, found {name!r}")
    return names(text)


def prepare_place(out: Path | None) -> None:
    """Make the folder of the report and find out before the work whether figures can be drawn."""
    if out is not None:
        from facet_vision.common.figures import check_place

        out.mkdir(parents=True, exist_ok=True)
        check_place(out / "figure.png")


def publish(report: "Report", out: Path | None) -> None:
    """Print the report, and write it where a folder was given."""
    typer.echo(report.markdown())
    if out is not None:
        report.write(out)


def tell(line: str) -> None:
    """Say on the terminal what is being measured; the report alone goes to standard output."""
    typer.echo(line, err=True)
