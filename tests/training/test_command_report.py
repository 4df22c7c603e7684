"""What `facet train` tells programs: progress as JSON lines, and a report."""

import json
from pathlib import Path

import pytest
from PIL import Image

from facet_vision.prompts_store import TaskFile
from tests.training.support.command import run_train


@pytest.fixture
def table(colours: Path) -> Path:
    """A table of the colours, with a red image under the wrong label."""
    extra = colours / "wrong.png"
    Image.new("RGB", (32, 32), (250, 5, 5)).save(extra)
    rows = [f"{each.relative_to(colours)},{each.parent.name}" for each in colours.glob("*/*.png")]
    path = colours / "table.csv"
    path.write_text("\n".join(["image,label", *sorted(rows), f"{extra.name},blue"]))
    return path


def trained(table: Path, checkpoint: Path, *more: object) -> tuple[int, str, str]:
    out = table.parent / "colours.safetensors"
    common = ("--task", "colours", "--out", out, "--checkpoint", checkpoint, "--device", "cpu")
    return run_train(table, *common, "--method", "linear", *more)


def test_progress_is_json_lines_and_nothing_else(table: Path, checkpoint: Path) -> None:
    run = table.parent / "run"
    code, stdout, stderr = trained(
        table, checkpoint, "--epochs", 3, "--json-progress", "--run", run
    )
    assert code == 0, stderr
    lines = [json.loads(line) for line in stderr.splitlines()]
    phases = list(dict.fromkeys(line["phase"] for line in lines if "phase" in line))
    assert phases == ["reading", "training"]
    assert (lines[-1]["done"], lines[-1]["total"]) == (3, 3)
    assert any(line.get("note", "").startswith("data: table table.csv") for line in lines)
    assert "colours: accuracy" in stdout
    again = trained(table, checkpoint, "--epochs", 3, "--json-progress", "--run", run)
    notes = [json.loads(line).get("note", "") for line in again[2].splitlines()]
    assert any("finished before" in note for note in notes)


def test_the_report(table: Path, checkpoint: Path) -> None:
    path = table.parent / "report.json"
    code, _, stderr = trained(table, checkpoint, "--epochs", 4, "--report", path)
    assert code == 0, stderr
    report = json.loads(path.read_text())
    task = TaskFile.load(table.parent / "colours.safetensors")
    images = report["held_out_images"]
    assert report["labels"] == list(task.manifest.labels)
    assert report["metrics"] == dict(task.manifest.metrics)
    assert report["accuracy"] == pytest.approx(task.manifest.metrics["accuracy"])
    assert report["interval"][0] <= report["accuracy"] <= report["interval"][1]
    assert sum(map(sum, report["confusion"])) == images
    right = sum(row[index] for index, row in enumerate(report["confusion"]))
    assert len(report["wrong"]) == images - right
    assert [point["epoch"] for point in report["curve"]] == [1, 2, 3, 4]
    assert report["size"] == (table.parent / "colours.safetensors").stat().st_size
    assert all(each["image"].startswith("row ") for each in report["wrong"] + report["doubtful"])


def test_a_report_has_a_place_before_the_training_begins(table: Path, checkpoint: Path) -> None:
    code, _, stderr = trained(table, checkpoint, "--report", table.parent)
    assert code == 2
    assert str(table.parent) in stderr


def test_several_labels_on_an_image_have_no_confusion(colours: Path, checkpoint: Path) -> None:
    rows = [f"{each.relative_to(colours)},{each.parent.name}|x" for each in colours.glob("*/*.png")]
    table, path = colours / "several.csv", colours / "report.json"
    table.write_text("\n".join(["image,label", *sorted(rows)]))
    more = ("--label-separator", "|", "--epochs", 1, "--report", path)
    code, _, stderr = trained(table, checkpoint, *more)
    assert code == 0, stderr
    report = json.loads(path.read_text())
    assert "mean_average_precision" in report["metrics"]
    assert "confusion" not in report
