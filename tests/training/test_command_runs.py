"""`facet train` with what happens around a training: runs that continue, early stops, searches."""

import json
import time
from pathlib import Path
from signal import SIGKILL

import pytest
import torch
from typer.testing import CliRunner

from facet_vision.prompts_store import TaskFile
from tests.training.support.command import app, run_train
from tests.training.support.killed import facet_train, processes


def _tensors(path: Path) -> list[torch.Tensor]:
    task = TaskFile.load(path)
    return [*task.prompts, *task.head.layers[0]]


def test_a_run_that_was_killed_is_continued_by_the_same_command(
    colours: Path, checkpoint: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    run, log = tmp_path / "run", tmp_path / "run" / "log.jsonl"
    command = [str(colours), *f"--task colours --checkpoint {checkpoint} --device cpu".split()]
    command += ["--epochs", "25", "--tokens", "2", "--batch-size", "4"]
    in_folder = [*command, *f"--out {tmp_path}/kept --run {run} --tensorboard".split()]
    process = processes.Process(target=facet_train, args=(in_folder,))
    process.start()
    while not log.exists() or log.read_bytes().count(b"\n") < 3:
        time.sleep(0.005)
    process.kill()
    process.join()
    assert process.exitcode == -SIGKILL
    assert not (tmp_path / "kept").exists()

    code, _, stderr = run_train(*in_folder)
    assert code == 0, stderr
    assert f"run {run}: continued after epoch " in stderr
    epochs = [json.loads(line)["epoch"] for line in log.read_text().splitlines()]
    assert epochs == list(range(1, 26))
    assert len(list((run / "tensorboard").iterdir())) == 1

    assert run_train(*command, "--out", tmp_path / "alone")[0] == 0
    for one, other in zip(_tensors(tmp_path / "kept"), _tensors(tmp_path / "alone"), strict=True):
        assert one.numpy().tobytes() == other.numpy().tobytes()

    code, _, stderr = run_train(*in_folder)
    assert code == 0, stderr
    assert f"run {run}: finished before, after epoch 25; nothing is trained anew" in stderr
    code, _, stderr = run_train(*in_folder, "--seed", 3)
    assert code == 1
    assert "run: expected a training with seed 3 in" in stderr


def test_events_need_a_folder(tmp_path: Path) -> None:
    code, _, stderr = run_train("digits", "--task", "t", "--out", tmp_path / "t", "--tensorboard")
    assert code == 2
    assert "tensorboard: expected --run FOLDER to write the events into, found none" in stderr


def test_early_stop_on_a_part_that_is_not_learned_from(
    colours: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out, run = tmp_path / "t.safetensors", tmp_path / "run"
    code, stdout, stderr = run_train(
        colours,
        *f"--task t --out {out} --checkpoint {checkpoint} --method linear --epochs 80".split(),
        *f"--patience 3 --validation 2 --precision auto --device cpu --run {run}".split(),
    )
    assert code == 0, stderr
    manifest = TaskFile.load(out).manifest
    assert manifest.data == "folder colours, 6 training, 2 validation and 2 held-out images"
    assert (manifest.recipe["patience"], manifest.recipe["validation"]) == (3, 2)
    assert manifest.recipe["precision"] in ("float32", "bfloat16")
    reached = manifest.metrics["validation_accuracy"]
    assert f", validation accuracy {reached:.3f} (linear, " in stdout
    assert len((run / "log.jsonl").read_text().splitlines()) < 80


def test_share_of_the_training_images(colours: Path, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.safetensors"
    code, _, stderr = run_train(
        colours,
        *f"--task t --out {out} --checkpoint {checkpoint} --method linear --epochs 1".split(),
        *["--fraction", "0.5", "--device", "cpu"],
    )
    assert code == 0, stderr
    parts = "folder colours, 4 training and 2 held-out images"
    assert TaskFile.load(out).manifest.data == parts
    assert f"data: {parts}; 2 classes with 2 training images each" in stderr


def test_sentences_are_one_line_however_narrow_the_terminal(tmp_path: Path) -> None:
    arguments = ["nowhere", "--task", "t", "--out", str(tmp_path / "t.safetensors")]
    stderr = CliRunner().invoke(app, arguments, env={"COLUMNS": "40"}).stderr
    assert stderr.startswith("facet train: data: expected a folder, ")
    assert stderr.count("\n") == 1


def test_a_search_comes_before_the_training(
    colours: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out, run = tmp_path / "found.safetensors", tmp_path / "run"
    command = [
        colours,
        *f"--task colours --out {out} --checkpoint {checkpoint} --method linear".split(),
        *("--search", "lr=1e-9,0.5 weight_decay=0"),
        *f"--epochs 3 --validation 2 --run {run} --device cpu".split(),
    ]
    code, _, stderr = run_train(*command)
    assert code == 0, stderr
    assert "trial 2/2: lr=0.5 weight_decay=0: " in stderr
    recipe = TaskFile.load(out).manifest.recipe
    assert (recipe["search"], recipe["weight_decay"]) == ("lr=1e-9,0.5 weight_decay=0", 0.0)
    assert recipe["lr"] in (1e-9, 0.5)
    assert recipe["measure_on"] == "test"
    code, _, stderr = run_train(*command)
    assert code == 0, stderr
    assert stderr.count("(finished before)") == 2
    assert "nothing is trained anew" in stderr
