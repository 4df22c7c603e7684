"""Parts that all figures share; matplotlib is imported on first use."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facet_vision.prompts_store import durable

from .errors import UsageError
from .places import check_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which colour-blind people can distinguish too."""

LETTERS_PER_INCH = 11
"""Average of text in matplotlib's default size."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def new_figure(width: float, height: float) -> Figure:
    """Create an empty figure of this size in inches, with a layout that separates labels.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(
            "figures: expected matplotlib, found none; install the extra facet-vision[report]"
        ) from error
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def short(name: str, longest: int = 24) -> str:
    """Shorten a name so that it fits under an axis.

    Of a path the end remains, of other names the beginning: that is where they differ.
    """
    if len(name) <= longest:
        return name
    if "/" in name:
        return f"…{name[1 - longest :]}"
    return f"{name[: longest - 1]}…"


def legend_below(
    figure: Figure, handles: Sequence[Any], labels: Sequence[str], **style: Any
) -> None:
    """Draw one legend for all panels, in as many columns as fit; the figure grows by its lines."""
    width, height = figure.get_size_inches()
    # An entry has its label, and about seven letters' width of marker and spacing.
    fitting = max(1, int(width * LETTERS_PER_INCH / (max(map(len, labels)) + 7)))
    lines = math.ceil(len(labels) / fitting)
    figure.set_size_inches(width, height + 0.24 * lines + 0.1)
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=math.ceil(len(labels) / lines),
        frameon=False,
        **style,
    )


def save(figure: Figure, path: Path) -> None:
    """Write the figure atomically, in the format of the name's ending.

    Raises:
        UsageError: see `check_place`.
    """
    check_place(path)
    content = io.BytesIO()
    figure.savefig(content, format=_ending(path))
    durable.replace(path, content.getvalue())


def check_place(path: Path) -> None:
    """Check before the work that a figure can be drawn and written.

    Raises:
        UsageError: there is no such folder, the name's ending is of no known format, or matplotlib
            is missing.
    """
    kinds = sorted(new_figure(1, 1).canvas.get_supported_filetypes())
    if _ending(path) not in kinds:
        raise UsageError(
            f"out: expected a name that ends in one of {', '.join(kinds)}, found {path.name!r}"
        )
    check_out(path)


def _ending(path: Path) -> str:
    return path.suffix.removeprefix(".").lower()
