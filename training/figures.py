"""What all figures share; matplotlib is imported only where one is drawn."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from prompts_store import durable

from .errors import TrainingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Of Okabe and Ito: told apart by colour-blind people too."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, whose layout keeps labels apart.

    Raises:
        TrainingError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TrainingError("figures: expected matplotlib, found none; install the extra facet[report]") from error
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def save(figure: Figure, path: Path) -> None:
    """Write the figure atomically, in the format that the name's ending says.

    Raises:
        TrainingError: the ending is of no format that can be written.
    """
    content, kind = io.BytesIO(), path.suffix.removeprefix(".").lower()
    check_format(figure, path)
    figure.savefig(content, format=kind)
    durable.replace(path, content.getvalue())


def check_format(figure: Figure, path: Path) -> None:
    kinds = sorted(figure.canvas.get_supported_filetypes())
    if path.suffix.removeprefix(".").lower() not in kinds:
        raise TrainingError(f"out: expected a name that ends in one of {', '.join(kinds)}, found {path.name!r}")
