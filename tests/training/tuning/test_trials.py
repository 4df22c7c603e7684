"""Trials of `facet train --search`."""

from dataclasses import replace
from pathlib import Path

import pytest

from facet_vision.backbone import Backbone
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.errors import TrainingError
from facet_vision.training.recipe import Recipe, make_recipe
from facet_vision.training.results import Results
from facet_vision.training.train import fitted
from facet_vision.training.tuning.search import candidates
from facet_vision.training.tuning.trials import TrialResults, choose, score_of


def _recipe(search: str, **given: object) -> Recipe:
    base = {
        "data": "x",
        "task": "x",
        "method": "linear",
        "epochs": 4,
        "batch_size": 10,
        "lr": 0.1,
        "search": search,
    }
    return make_recipe(base | given, {})


def test_the_values_of_the_best_score_are_chosen(tiny: Backbone, shades: TaskData) -> None:
    recipe, lines = _recipe("lr=1e-9,1 epochs=1,6"), list[str]()
    chosen = choose(recipe, TrialResults(tiny, shades), lines.append)
    scores = [score_of(fitted(tiny, shades, each), shades) for each in candidates(recipe)]
    assert len(set(scores)) > 1
    assert chosen == recipe.model_copy(update={"lr": 1.0, "epochs": 6})
    assert max(scores) == scores[3] > max(scores[:3])
    assert lines[3] == f"trial 4/4: lr=1 epochs=6: {scores[3]:.3f} on the validation part"


def test_finished_trials_are_not_run_again(
    tiny: Backbone, shades: TaskData, tmp_path: Path
) -> None:
    path, lines = tmp_path / "trials.jsonl", list[str]()
    first = choose(_recipe("lr=0.1,1"), TrialResults(tiny, shades, Results(path)), lines.append)
    again = choose(_recipe("lr=0.1,1"), TrialResults(tiny, shades, Results(path)), lines.append)
    assert again == first
    assert [line.endswith("(finished before)") for line in lines] == [False, False, True, True]
    choose(_recipe("lr=0.1,1", seed=1), TrialResults(tiny, shades, Results(path)), lines.append)
    other_data = replace(shades, test=shades.train)
    choose(_recipe("lr=0.1,1"), TrialResults(tiny, other_data, Results(path)), lines.append)
    assert not any(line.endswith("(finished before)") for line in lines[4:])


def test_trials_that_fail_are_not_chosen(tiny: Backbone, shades: TaskData) -> None:
    lines = list[str]()
    wild = {"optimizer": "sgd", "warmup": 0, "method": "vpt-deep", "tokens": 2}
    assert (
        choose(_recipe("lr=0.1,1e38", **wild), TrialResults(tiny, shades), lines.append).lr == 0.1
    )
    assert "failed: loss: expected a finite number" in lines[1]
    with pytest.raises(
        TrainingError, match=r"^search: expected a trial that succeeds, found that all 1 failed"
    ):
        choose(_recipe("lr=1e38", **wild), TrialResults(tiny, shades), lines.append)
