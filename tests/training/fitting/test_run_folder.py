"""Folder from which a training resumes; `test_killed` kills real ones."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import TaskFile
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.errors import TrainingError
from facet_vision.training.fitting.loop import Step, ignore
from facet_vision.training.fitting.run_folder import RunFolder
from facet_vision.training.fitting.state_file import load_state, save_state
from facet_vision.training.new_recipe import new_recipe
from facet_vision.training.recipe import Recipe
from facet_vision.training.train import train_task
from tests.training.support.killed import hold, processes, saved_every_epoch
from tests.training.support.small import several_labels, watched


class Cut(Exception):
    pass


def _recipe(**given: object) -> Recipe:
    common: dict[str, object] = {"data": "shades", "task": "shades", "epochs": 4, "batch_size": 10}
    common |= {} if "method" in given else {"tokens": 2}
    return new_recipe(**(common | given))


def _cut_at(number: int) -> Any:
    def on_step(step: Step) -> None:
        if step.number == number:
            raise Cut

    return on_step


def _cut(net: Backbone, data: TaskData, recipe: Recipe, run: RunFolder, number: int) -> None:
    with pytest.raises(Cut):
        train_task(net, data, recipe, _cut_at(number), run)


def _log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_only_missing_epochs_are_trained(tiny: Backbone, shades: TaskData, tmp_path: Path) -> None:
    reports: list[str] = []
    run = saved_every_epoch(tmp_path / "a" / "run", report=reports.append)
    _cut(tiny, shades, _recipe(), run, 7)
    assert [record["epoch"] for record in _log(run.folder)] == [1, 2]
    assert reports == []
    steps: list[Step] = []
    task = train_task(tiny, shades, _recipe(), steps.append, run)
    assert [(step.number, step.epoch) for step in steps] == [
        (number, number // 3) for number in range(6, 12)
    ]
    assert [record["epoch"] for record in _log(run.folder)] == [1, 2, 3, 4]
    assert reports == [f"run {run.folder}: continued after epoch 2 of 4"]
    assert torch.equal(task.prompts[0], train_task(tiny, shades, _recipe()).prompts[0])


def test_a_finished_run_returns_its_result_again(
    tiny: Backbone, shades: TaskData, tmp_path: Path
) -> None:
    reports, steps = list[str](), list[Step]()
    run = RunFolder(tmp_path, report=reports.append)
    first = train_task(tiny, shades, _recipe(), ignore, run)
    again = train_task(tiny, shades, _recipe(task="renamed"), steps.append, run)
    assert steps == []
    assert reports == [f"run {tmp_path}: finished before, after epoch 4; nothing is trained anew"]
    assert all(
        torch.equal(one, other) for one, other in zip(first.prompts, again.prompts, strict=True)
    )
    assert (again.manifest.task, again.manifest.metrics) == ("renamed", first.manifest.metrics)
    assert len(_log(tmp_path)) == 4


def test_states_are_saved_no_more_often_than_requested(
    tiny: Backbone, shades: TaskData, tmp_path: Path
) -> None:
    """An epoch takes two seconds of this clock, and reading it none."""
    now = [0.0]

    def on_step(step: Step) -> None:
        now[0] += 2 / 3
        if step.number % 3 == 0 and step.number:
            saved.append(len(load_state(run.path)["fitting"]["records"]))

    saved: list[int] = []
    run = RunFolder(tmp_path, save_seconds=3.9, clock=lambda: now[0])
    train_task(tiny, shades, _recipe(epochs=8), on_step, run)
    assert saved == [1, 1, 3, 3, 5, 5, 7]
    assert len(load_state(run.path)["fitting"]["records"]) == 8


def test_large_states_are_saved_less_often(
    tiny: Backbone, shades: TaskData, tmp_path: Path
) -> None:
    """A save takes one second of this clock, an epoch three, and each reading one."""
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    saved: list[int] = []

    def on_step(step: Step) -> None:
        now[0] += 1.0
        if step.number % 3 == 0 and step.number:
            saved.append(len(load_state(tmp_path / "state.pt")["fitting"]["records"]))

    train_task(
        tiny, shades, _recipe(epochs=10), on_step, RunFolder(tmp_path, save_seconds=0, clock=clock)
    )
    assert saved[:4] == [1, 1, 1, 4]


def test_only_trained_tensors_are_saved(tiny: Backbone, shades: TaskData, tmp_path: Path) -> None:
    recipe = _recipe(method="bias-all", epochs=1)
    written = train_task(tiny, shades, recipe, ignore, RunFolder(tmp_path))
    fitting = load_state(tmp_path / "state.pt")["fitting"]
    assert fitting["method"].keys() == written.tensors.keys()
    assert len(fitting["optimizer"]["state"]) == len(written.tensors)


@pytest.mark.parametrize("multi_label", [False, True])
def test_early_stop_is_resumed_too(
    tiny: Backbone, shades: TaskData, tmp_path: Path, multi_label: bool
) -> None:
    data = several_labels(watched(shades)) if multi_label else watched(shades)
    recipe = _recipe(method="mlp-2", epochs=60, patience=4, lr=0.5)
    run = saved_every_epoch(tmp_path)
    alone = train_task(tiny, data, recipe)
    _cut(tiny, data, recipe, run, 7)
    resumed, again = (train_task(tiny, data, recipe, ignore, run) for _ in range(2))
    for task in (resumed, again):
        assert torch.equal(task.head.layers[0][0], alone.head.layers[0][0])
        assert task.manifest.metrics == alone.manifest.metrics
    name = "validation_mean_average_precision" if multi_label else "validation_accuracy"
    scores = [record[name] for record in _log(tmp_path)]
    assert len(scores) == scores.index(max(scores)) + 5 < 60
    assert list(alone.manifest.metrics)[-1] == name
    assert alone.manifest.metrics[name] == max(scores)
    assert alone.manifest.recipe["patience"] == 4


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"lr": 0.3}, r"lr 0\.3 in .*, found one with 0\.2;"),
        ({"augment": "vtab"}, r"augment vtab in .*, found one with none;"),
        ({"method": "linear"}, r"method linear in .*, found one with vpt-deep;"),
        ({"head_lr": None}, r"head_lr none in .*, found one with 0\.08;"),
    ],
)
def test_another_recipe_is_refused(
    given: dict[str, Any], sentence: str, tiny: Backbone, shades: TaskData, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path)
    train_task(tiny, shades, _recipe(epochs=1), ignore, run)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(
        TrainingError, match=rf"^run: expected a training with {sentence} another training needs "
    ):
        train_task(tiny, shades, _recipe(epochs=1, **given), ignore, run)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_other_data_and_backbones_are_refused(
    tiny: Backbone, shades: TaskData, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path)
    with run.checkpointer({"data": "a", "fingerprint": "0" * 64}):
        pass
    identity = {"data": "a", "fingerprint": "0" * 64}
    save_state(run.path, {"format": 1, "identity": identity, "fitting": {}})
    sentence = (
        rf"^run: expected a training with fingerprint {'1' * 12}… in .*, "
        rf"found one with {'0' * 12}…; "
    )
    with (
        pytest.raises(TrainingError, match=sentence),
        run.checkpointer({"data": "a", "fingerprint": "1" * 64}),
    ):
        pass
    with (
        pytest.raises(TrainingError, match=r"with data b in .*, found one with a;"),
        run.checkpointer({"data": "b"}),
    ):
        pass
    with pytest.raises(
        TrainingError,
        match=r"^run: expected a training with method vpt-deep in .*, found one with no",
    ):
        train_task(tiny, shades, _recipe(), ignore, run)


def test_other_files_are_refused_and_not_changed(
    tiny: Backbone, shades: TaskData, tmp_path: Path
) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("mine")
    with pytest.raises(TrainingError, match=r"^run: expected a folder, found the file "):
        train_task(tiny, shades, _recipe(), ignore, RunFolder(file))
    folder.mkdir()
    (folder / "state.pt").write_bytes(b"torn")
    with pytest.raises(
        TrainingError, match=r"state\.pt: expected the state of a training, found a fault "
    ):
        train_task(tiny, shades, _recipe(), ignore, RunFolder(folder))
    save_state(folder / "state.pt", {"step": 3})
    with pytest.raises(
        TrainingError, match=r"state\.pt: expected a training in format 1, found None$"
    ):
        train_task(tiny, shades, _recipe(), ignore, RunFolder(folder))
    assert not (folder / "log.jsonl").exists()
    assert file.read_text() == "mine"


def test_a_folder_is_used_by_one_training_at_a_time(
    tiny: Backbone, shades: TaskData, tmp_path: Path
) -> None:
    ours, theirs = processes.Pipe()
    other = processes.Process(target=hold, args=(tmp_path, theirs))
    other.start()
    theirs.close()
    assert ours.recv() == "held"
    with pytest.raises(
        TrainingError,
        match=rf"^run: expected a folder that no training is using, found {tmp_path} in",
    ):
        train_task(tiny, shades, _recipe(), ignore, RunFolder(tmp_path))
    other.kill()
    other.join()
    assert isinstance(train_task(tiny, shades, _recipe(), ignore, RunFolder(tmp_path)), TaskFile)
    ours.close()
