"""Progress of a pretraining: a bar on a terminal, lines in a log."""

import io

from rich.console import Console

from facet_vision.training.pretrain.progress import shown_progress


def shown(*, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=60)
    with shown_progress(console) as progress:
        progress.begin("images", 10)
        progress.advance(10)
        progress.begin("steps", 4, 3)
        progress.advance(1)
    return out.getvalue()


def test_a_log_is_told_when_each_part_is_done() -> None:
    images, steps = shown(terminal=False).splitlines()
    assert images.startswith("images: 10 of 10, ")
    assert steps.startswith("steps: 4 of 4, ")


def test_a_terminal_gets_bars() -> None:
    assert "━" in shown(terminal=True)
