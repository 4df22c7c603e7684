"""What is recorded of a comparison's trainings, and what cannot be measured twice."""

import json
from pathlib import Path

import pytest

from facet_vision.training.errors import TrainingError
from facet_vision.training.experiments.hyperparameters import first_difference
from facet_vision.training.experiments.outcomes import Choice
from facet_vision.training.recipe import Recipe
from tests.training.support.plans import drive, outcomes_in, plan_of

SEARCH = "lr=0.1,0.2,0.4 weight_decay=0.25,0.5"


def test_a_finished_final_training_cannot_be_made_with_other_hyperparameters(
    tmp_path: Path,
) -> None:
    entry = next(plan_of(tmp_path, search=SEARCH).entries())
    outcomes = outcomes_in(tmp_path)
    outcomes.add(entry, entry.final(0, 3), {"score": 0.5})
    assert outcomes.find(entry, entry.final(0, 3))["score"] == 0.5
    assert outcomes.find(entry, entry.final(1, 4)) is None
    with pytest.raises(
        TrainingError,
        match=r"^a linear seed 3: expected weight_decay 0\.25, with which its final training is "
        r"finished, found 0\.5$",
    ):
        outcomes_in(tmp_path).find(entry, entry.final(1, 3))


def test_a_choice_is_made_once(tmp_path: Path) -> None:
    entry = next(plan_of(tmp_path, search=SEARCH).entries())
    outcomes = outcomes_in(tmp_path)
    trials = entry.trials()
    outcomes.add(entry, trials[1], {"score": 0.5})
    assert outcomes.choice(entry) is None
    assert outcomes.choose(entry) == Choice(1, 0.5)
    outcomes.add(entry, trials[2], {"score": 0.9})  # as a trial that was repeated would be
    assert outcomes.choose(entry) == Choice(1, 0.5)
    assert outcomes_in(tmp_path).choice(entry) == Choice(1, 0.5)


def test_of_equals_the_smaller_rate_is_chosen(tmp_path: Path) -> None:
    entry = next(plan_of(tmp_path, search="lr=0.4,0.1,0.2").entries())
    outcomes = outcomes_in(tmp_path)
    for recipe in entry.trials():
        outcomes.add(entry, recipe, {"score": 0.5})
    assert outcomes.choose(entry).trial == 1


def test_the_file_tells_what_happened_in_its_order(tmp_path: Path) -> None:
    drive(plan_of(tmp_path, search="lr=0.1,9"), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "cells.jsonl").read_text().splitlines()]
    kinds = [next(iter(line["setting"])) for line in lines]
    assert kinds == [*["trial", "trial", "choice", "final"] * 4, *["final"] * 4]
    assert lines[1]["outcome"] == {"failed": "loss: expected a finite number"}
    assert lines[2]["outcome"]["values"] == {"lr": 0.1}
    assert lines[3]["outcome"]["recipe"]["lr"] == 0.1


def test_a_record_is_valid_when_recipes_get_another_field() -> None:
    assert first_difference({"lr": 0.1}, {"lr": 0.1, "augment": "none"}) is None
    assert first_difference({"lr": 0.1, "augment": "none"}, {"lr": 0.1}) is None
    assert first_difference({"lr": 0.1}, {"lr": 0.1, "augment": "vtab"}) == "augment"
    assert first_difference({"lr": 0.1}, {"lr": 0.2}) == "lr"
    assert "augment" in Recipe.model_fields
