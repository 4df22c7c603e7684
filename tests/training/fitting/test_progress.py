"""Progress of a training: a bar, or lines."""

import io

import pytest
from rich.console import Console

from facet_vision.training.fitting.loop import Step
from facet_vision.training.fitting.progress import progress_bar, training_progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _shown(first: int, count: int, *, width: int = 80, validation: float | None = None) -> str:
    """Return the final bar of 100 epochs with 1,000 images each, at 100 images in half a second."""
    clock, out = Clock(), io.StringIO()
    with progress_bar(Console(file=out, width=width), "pets", 100, 1000, clock) as on_step:
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
    with progress_bar(Console(file=out, width=100), "pets", 2, 20, Clock()) as on_step:
        on_step(Step(0, 0, 10, 1.0))
        on_step(Step(1, 0, 10, 3.0))
    assert "loss 1.100" in out.getvalue()


def test_no_bar_is_left_where_nothing_was_trained() -> None:
    assert _shown(0, 0).strip() == ""


def test_no_bar_is_left_where_the_training_could_not_begin() -> None:
    out = io.StringIO()
    for show in (progress_bar, training_progress):
        with pytest.raises(ValueError, match="no"), show(Console(file=out), "pets", 1, 1, Clock()):
            raise ValueError("no")
    assert out.getvalue().strip() == ""


def _lines(steps: int, seconds: float, first: int = 0) -> list[str]:
    """Return what a log gets of steps of 100 images, ten of which are an epoch of a hundred."""
    clock, out = Clock(), io.StringIO()
    with training_progress(Console(file=out, width=20), "pets", 100, 1000, clock) as on_step:
        for number in range(first, first + steps):
            clock.now += seconds
            on_step(Step(number, number // 10, 100, 0.25, 0.912 if number >= 12 else None))
    return out.getvalue().splitlines()


def test_a_log_gets_a_line_every_five_seconds_and_one_at_the_end() -> None:
    lines = _lines(25, 0.5)
    assert lines == [
        "pets: epoch 2/100, loss 0.250, 200 images/s, 0:08:14 left",  # 98,900 images are left
        "pets: epoch 3/100, loss 0.250, validation 0.912, 200 images/s, 0:08:10 left",
        "pets: epoch 3/100, loss 0.250, validation 0.912",
    ]
    assert _lines(1, 0.5) == ["pets: epoch 1/100, loss 0.250"]
    assert _lines(0, 0.5) == []
    assert len(_lines(11, 0.5)) == 1  # the last step has just been told


def test_a_log_of_a_resumed_training_tells_the_speed_of_its_own_steps() -> None:
    (line, _) = _lines(12, 0.5, first=400)
    assert "epoch 42/100" in line
    assert line.endswith("200 images/s, 0:04:54 left")  # 58,900 images are left


def test_a_terminal_gets_a_bar() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True)
    with training_progress(console, "pets", 2, 20) as on_step:
        on_step(Step(0, 0, 10, 1.0))
    assert "━" in out.getvalue()
