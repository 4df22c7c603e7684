"""Order of a comparison's trainings, and what is never repeated."""

from concurrent.futures import Future
from pathlib import Path

import pytest

from facet_vision.backbone import Backbone
from facet_vision.training.data.datasets import TaskData, for_selection
from facet_vision.training.errors import SealedPartError
from facet_vision.training.experiments.cells import final
from facet_vision.training.experiments.outcomes import Outcome
from facet_vision.training.experiments.schedule import Schedule
from facet_vision.training.recipe import Recipe
from facet_vision.training.variants.variant import Variant
from tests.training.support.plans import Trainer, drive, grown, outcomes_in, plan_of

SEARCH = "lr=0.1 weight_decay=0.25,0.5,0.125"


def _places(ran: list[Recipe]) -> list[tuple[str, str, str, int]]:
    return [(each.data, each.method, each.measure_on, each.seed) for each in ran]


def test_all_methods_of_one_seed_come_first(tmp_path: Path) -> None:
    trainer, _, lines = drive(plan_of(tmp_path, search=SEARCH), tmp_path)
    first_seed = [
        place
        for task in "ab"
        for method in ("linear", "vpt-deep")
        for place in (*[(task, method, "validation", 3)] * 3, (task, method, "test", 3))
    ]
    second_seed = [(task, method, "test", 4) for task in "ab" for method in ("linear", "vpt-deep")]
    assert _places(trainer.ran) == first_seed + second_seed
    assert len(lines) == 20
    assert lines[-1].startswith("[20/20] b vpt-deep seed 4: 0.500")


def test_final_trainings_have_what_their_search_chose(tmp_path: Path) -> None:
    trainer, outcomes, _ = drive(plan_of(tmp_path, search=SEARCH), tmp_path)
    finals = [each for each in trainer.ran if each.measure_on == "test"]
    assert {each.weight_decay for each in finals} == {0.5}
    assert {
        outcomes.choice(entry).score for entry in plan_of(tmp_path, search=SEARCH).entries()
    } == {0.5}
    assert outcomes.finished == len(finals) == 8


@pytest.mark.parametrize("jobs", [1, 2, 3, 50])
def test_no_final_training_begins_before_its_choice_is_recorded(jobs: int, tmp_path: Path) -> None:
    class Watching(Trainer):
        def __call__(self, recipe: Recipe, variant: Variant | None):
            if recipe.measure_on == "test":
                assert (
                    f'{{"choice": {{"method": "{recipe.method}", "data": "{recipe.data}"}}}}'
                    in (tmp_path / "cells.jsonl").read_text()
                )
            return super().__call__(recipe, variant)

    trainer, _, _ = drive(plan_of(tmp_path, search=SEARCH), tmp_path, Watching(), jobs)
    assert len(trainer.ran) == 20


@pytest.mark.parametrize("stop", range(20))
def test_a_killed_run_continues_without_repeating_a_training(stop: int, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, search=SEARCH)
    killed = Trainer(stop)
    with pytest.raises(KeyboardInterrupt):
        drive(plan, tmp_path, killed)
    rest, outcomes, _ = drive(plan, tmp_path)
    assert _places(killed.ran + rest.ran) == _places(drive(plan, _empty(tmp_path))[0].ran)
    assert outcomes.finished == 8
    assert drive(plan, tmp_path)[0].ran == []


def _empty(folder: Path) -> Path:
    (folder / "other").mkdir(exist_ok=True)
    return folder / "other"


def test_added_seeds_and_tasks_train_only_what_is_missing(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, search=SEARCH)
    drive(plan, tmp_path)
    more, _, _ = drive(grown(plan, seeds=(3, 4, 5)), tmp_path)
    assert _places(more.ran) == [
        (task, method, "test", 5) for task in "ab" for method in ("linear", "vpt-deep")
    ]
    more, _, _ = drive(grown(plan, methods=("linear", "vpt-deep", "bias")), tmp_path)
    assert {each.method for each in more.ran} == {"bias"}


def test_failed_trials_are_left_out_and_not_tried_again(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, search="lr=0.1,9")
    trainer, _, lines = drive(plan, tmp_path)
    assert {each.lr for each in trainer.ran if each.measure_on == "test"} == {0.1}
    assert sum("failed: loss" in line for line in lines) == 4
    assert drive(plan, tmp_path)[0].ran == []


def test_nothing_is_measured_where_every_trial_failed(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, search="lr=9")
    trainer, outcomes, lines = drive(plan, tmp_path)
    assert {each.measure_on for each in trainer.ran} == {"validation"}
    assert all(outcomes.choice(entry).failed for entry in plan.entries())
    assert len(lines) == 4
    assert drive(plan, tmp_path)[0].ran == []


def test_a_final_training_that_fails_is_tried_again(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, lr=9)
    assert outcomes_in(tmp_path).finished == drive(plan, tmp_path)[1].finished == 0
    assert len(drive(plan, tmp_path)[0].ran) == 8


def test_without_a_search_there_are_only_final_trainings(tmp_path: Path) -> None:
    trainer, _, _ = drive(plan_of(tmp_path), tmp_path)
    assert [(each.measure_on, each.seed) for each in trainer.ran] == [
        *[("test", 3)] * 4,
        *[("test", 4)] * 4,
    ]


def test_a_remark_on_the_data_is_said_once(tmp_path: Path) -> None:
    class Remarking(Trainer):
        def __call__(self, recipe: Recipe, variant: Variant | None):
            future = super().__call__(recipe, variant)
            future.result()["remarks"] = ["skipped x.png"]
            return future

    _, _, lines = drive(plan_of(tmp_path), tmp_path, Remarking())
    assert [line for line in lines if "skipped" in line] == ["a: skipped x.png", "b: skipped x.png"]
    assert "skipped" not in (tmp_path / "cells.jsonl").read_text()


def test_a_search_that_touches_the_held_out_part_ends_the_comparison(
    tmp_path: Path, tiny: Backbone, shades: TaskData
) -> None:
    """Only a final training may use it, and no trial that did is recorded."""
    opened = []

    def run(recipe: Recipe, _: Variant | None) -> "Future[Outcome]":
        future: Future[Outcome] = Future()
        data = for_selection(shades, 0.2, 0) if recipe.measure_on == "validation" else shades
        try:
            opened.append((recipe.measure_on, len(data.test)))
            future.set_result(final(recipe, data, tiny))
        except SealedPartError as error:
            future.set_exception(error)
        return future

    plan = plan_of(tmp_path, search="weight_decay=0.1,0.2", epochs=1, tokens=2)
    outcomes = outcomes_in(tmp_path)
    with pytest.raises(SealedPartError, match=r"^held-out part: expected no use of it"):
        Schedule(list(plan.entries()), outcomes, print).drive(run, 1)
    assert opened == []
    assert len(outcomes.results) == 0
    Schedule(list(plan_of(tmp_path, epochs=1, tokens=2).entries()), outcomes, print).drive(run, 1)
    assert opened == [("test", 15)] * 8
