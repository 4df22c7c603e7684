"""Progress bar of a training."""

import io

import pytest
from rich.console import Console

from facet_vision.training.fitting.loop import Step
from facet_vision.training.fitting.progress import training_progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _shown(first: int, count: int, *, width: int = 80, validation: float | None = None) -> str:
    """Return the final bar of 100 epochs with 1,000 images each, at 100 images in half a second."""
    clock, out = Clock(), io.StringIO()
    with training_progress(Console(file=out, width=width), "pets", 100, 1000, clock) as on_step:
        for number in range(first, first + count):
            clock.now += 0.5
            on_step(Step(number, number // 10, 100, 0.25, validation))
    return out.getvalue()


def test_throughput_and_time_left() -> None:
    shown = _shown(0, 25)
    assert "epoch 3/100  loss 0.250 200 images/s 0:08:08" in shown  # 97,500 images are left
    assert "validation" not in shown


@pytest.mark.parametrize("width", [80, 120])
def test_a_resumed_training_counts_only_its_own_steps(width: int) -> None:
    shown = _shown(400, 25, width=width, validation=0.912)
    # 57,500 images are left
    assert "epoch 43/100  loss 0.250  validation 0.912 200 images/s 0:04:48" in shown
    done, left = shown.partition("epoch")[0].count("━"), shown.index("epoch") - 6
    assert done / left == pytest.approx(0.425, abs=0.15)
    assert shown.count("\n") == 1


def test_the_shown_loss_is_smoothed() -> None:
    out = io.StringIO()
    with training_progress(Console(file=out, width=100), "pets", 2, 20) as on_step:
        on_step(Step(0, 0, 10, 1.0))
        on_step(Step(1, 0, 10, 3.0))
    assert "loss 1.100" in out.getvalue()


def test_no_bar_is_left_where_nothing_was_trained() -> None:
    assert _shown(0, 0).strip() == ""


def test_no_bar_is_left_where_the_training_could_not_begin() -> None:
    out = io.StringIO()
    with pytest.raises(ValueError, match="no"), training_progress(Console(file=out), "pets", 1, 1):
        raise ValueError("no")
    assert out.getvalue().strip() == ""
