"""The study of scores, on images that are easy to tell apart."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from facet_vision.cli import app
from facet_vision.training.unseen.report import CellResult, best, markdown
from facet_vision.training.unseen.scores import SCORES, Known, Seen, score

PER_CLASS = 45


@pytest.fixture(scope="module")
def shades(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four shades of grey; half of each is held out."""
    root, rng = tmp_path_factory.mktemp("shades"), np.random.default_rng(0)
    for shade in range(4):
        (root / str(shade)).mkdir()
        for number in range(PER_CLASS):
            pixels = rng.integers(0, 60, (16, 16, 3)) + 60 * shade
            Image.fromarray(pixels.astype(np.uint8)).save(root / str(shade) / f"{number}.png")
    return root


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["unseen", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "recipe.toml").write_text("holdout = 0.5\nshots = 12\nepochs = 3\n")
    return tmp_path / "recipe.toml"


def test_it_is_measured_reported_and_not_repeated(
    shades: Path, recipe: Path, tmp_path: Path
) -> None:
    given = (shades, "--methods", "linear", "--recipe", recipe, "--out", tmp_path / "out")
    code, stdout, stderr = run(*given, "--seeds", "0")
    assert code == 0, stderr
    assert f"{shades} linear seed 0: accuracy " in stderr
    assert stdout == f"wrote {tmp_path / 'out' / 'README.md'}, {tmp_path / 'out' / 'unseen.json'}\n"
    assert run(*given, "--seeds", "0,1")[0] == 0
    lines = (tmp_path / "out" / "cells.jsonl").read_text().splitlines()
    assert len(lines) == 2  # seed 0 was finished before
    (cell, _) = map(json.loads, lines)
    assert len(cell["setting"]["known"]) == 3
    document = json.loads((tmp_path / "out" / "unseen.json").read_text())
    for name in SCORES:
        assert set(document["means"][name]) == {"auroc", "fpr95", "kept", "passed"}
        assert 0.6 < document["means"][name]["kept"] <= 1
    table = (tmp_path / "out" / "README.md").read_text()
    assert f"| {document['best']} | " in table
    assert f"facet unseen {shades} --methods linear --seeds 0,1 --recipe {recipe}" in table


@pytest.mark.parametrize(
    ("options", "content", "sentence"),
    [
        (("--methods", "full"), "", "methods: expected those that can be served, found 'full'"),
        ((), "patience = 3", "patience: expected no value"),
        ((), "[magic]\nlr = 1.0", "recipe table: expected a method"),
        ((), "holdout = 0.1", "expected at least 38 held-out images of the known classes"),
    ],
)
def test_what_it_cannot_use_is_refused(
    shades: Path, tmp_path: Path, options: tuple[str, ...], content: str, sentence: str
) -> None:
    (tmp_path / "recipe.toml").write_text(f"epochs = 1\n{content}")
    given = ("--methods", "linear", "--recipe", tmp_path / "recipe.toml", "--out", tmp_path / "out")
    code, _, stderr = run(shades, *given, *options)
    assert code == 1
    assert sentence in stderr


def test_scores_by_hand() -> None:
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    features = torch.cat([corners, corners + torch.tensor([4.0, 0.0])])
    targets = torch.tensor([0] * 4 + [1] * 4)
    known = Known.of(features, targets, temperature=2.0)
    seen = Seen(torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([[0.0, 0.0], [2.0, 0.0]]))
    soft = seen.logits.softmax(-1).amax(-1)
    assert score("probability", seen, known).tolist() == pytest.approx(soft.tolist())
    assert score("energy", seen, known).tolist() == pytest.approx([np.log(2), np.log(1 + np.e**2)])
    halved = np.log(1 + np.e)
    assert score("energy, calibrated", seen, known).tolist() == pytest.approx([np.log(2), halved])
    first, second = score("mahalanobis", seen, known)
    assert first > second  # the first is at a mean, the second between two
    assert first == pytest.approx(0, abs=1e-9)
    away = torch.tensor([2.0, 0.0], dtype=torch.float64)
    assert second == pytest.approx(-float(away @ known.covariance.inverse() @ away))
    assert score("cosine", seen, known)[0] == pytest.approx(1)


def test_the_best_is_by_the_mean_over_all_trainings() -> None:
    def cell(data: str, seed: int, high: str) -> CellResult:
        outcome = {"accuracy": 0.5}
        for name in SCORES:
            outcome |= dict.fromkeys(
                (f"{name}: {measure}" for measure in ("auroc", "fpr95", "kept", "passed")), 0.5
            )
        outcome[f"{high}: auroc"] = 0.9
        return CellResult(data, "linear", seed, outcome)

    cells = [cell("a", 0, "cosine"), cell("a", 1, "energy"), cell("b", 0, "cosine")]
    assert best(cells) == "cosine"
    table = markdown(cells, "small", "facet unseen a b")
    assert "**cosine**, 76.7 ± " in table
    assert "| cosine | 70.0 | 90.0 | 76.7 ± " in table
    assert "far |" not in table
