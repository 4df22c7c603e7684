"""Progress of a training as JSON lines."""

import json

from facet_vision.training.fitting.json_progress import JsonProgress
from facet_vision.training.fitting.loop import Step
from facet_vision.training.new_recipe import new_recipe

RECIPE = new_recipe(data="digits", task="t", epochs=3)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def told(steps: int, seconds: float, validation: float | None = None) -> list[dict[str, object]]:
    """Return the lines of so many steps of 10 images, four of which are an epoch."""
    clock, lines = Clock(), list[str]()
    progress = JsonProgress(lines.append, clock)
    with progress.training(RECIPE, 40) as on_step:
        for number in range(steps):
            clock.now += seconds
            on_step(Step(number, number // 4, 10, 1.0 + number % 4, validation))
    return [json.loads(line) for line in lines]


def test_lines_come_at_most_twice_a_second_and_at_the_end() -> None:
    first, *rest = told(12, 0.25)
    assert first == {
        "phase": "training",
        "method": "vpt-deep",
        "done": 0,
        "total": 3,
        "images": 40,
    }
    assert [line["done"] for line in rest] == [0, 0, 1, 1, 2, 2, 3]
    assert [line["loss"] for line in rest] == [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 2.5]
    assert "score" not in rest[-1]


def test_the_score_on_a_validation_part_is_told() -> None:
    assert told(1, 1.0, validation=0.75)[-1]["score"] == 0.75


def test_a_training_without_steps_ends_with_its_beginning() -> None:
    assert len(told(0, 1.0)) == 1


def test_notes_and_trials() -> None:
    lines: list[str] = []
    progress = JsonProgress(lines.append)
    progress.note('a "note"\nin two lines')
    progress.note("skipped", warning=True)
    progress.trial("lora", 2, 7, None)
    progress.trial("lora", 3, 7, 0.5)
    assert all("\n" not in line for line in lines)
    assert [json.loads(line) for line in lines] == [
        {"note": 'a "note"\nin two lines'},
        {"warning": "skipped"},
        {"phase": "trying", "method": "lora", "done": 2, "total": 7},
        {"phase": "trying", "method": "lora", "done": 3, "total": 7, "score": 0.5},
    ]
