"""The benchmark of training steps measures what it says, on a backbone small enough for a test."""

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from facet_vision.bench.measuring.peak import peak
from facet_vision.bench.training import (
    PREFIX,
    STEPS,
    TOKENS,
    Cell,
    load,
    make_method,
    training_step,
)
from facet_vision.cli import app
from tests.bench.holding import holding

CELL = Cell("facet-tiny", "float32", prompts=3, batch=2)


def _run(*options: str) -> str:
    done = CliRunner().invoke(
        app, ["bench", "training", "--backbone", "facet-tiny", "--rounds", "2", *options]
    )
    assert done.exit_code == 0, done.output
    return done.stdout


def test_both_forms_learn_the_same() -> None:
    net, losses = load(CELL), {}
    for form in (TOKENS, PREFIX):
        step = training_step(make_method(form, net, CELL), CELL)
        losses[form] = torch.stack([step() for _ in range(3)])
    torch.testing.assert_close(losses[PREFIX], losses[TOKENS], rtol=1e-4, atol=1e-4)
    assert len(losses[PREFIX].unique()) == 3


@pytest.mark.parametrize("step", STEPS)
def test_a_step_trains_all_that_its_method_trains(step: str) -> None:
    method = make_method(step, load(CELL), CELL)
    before = {name: parameter.detach().clone() for name, parameter in method.trained().items()}
    batches: list[int] = []
    method.head.register_forward_hook(lambda _, __, logits: batches.append(len(logits)))
    training_step(method, CELL)()
    assert batches == [CELL.batch]
    assert not any(
        torch.equal(before[name], parameter) for name, parameter in method.trained().items()
    )


def test_times_of_every_step_and_dtype(tmp_path: Path) -> None:
    options = ["--prompts", "3", "--batch", "2", "--dtype", "float32,bfloat16", "--no-memory"]
    text = _run(*options, "--out", str(tmp_path))
    assert "dtype float32, bfloat16, prompts 3, batch 2" in text
    assert (tmp_path / "training-ratio.png").stat().st_size > 1000
    records = json.loads((tmp_path / "training.json").read_text())["sections"]["Training step"]
    assert [(record["dtype"], record["step"]) for record in records] == [
        (dtype, step) for dtype in ("float32", "bfloat16") for step in STEPS
    ]
    assert records[1]["trained"] == 8 * 3 * 160 + 161 * 100
    assert all(
        len(record["seconds"]["rounds"]) == 2 and "memory" not in record for record in records
    )
    assert records[4]["ratio"]["rounds"] == [1.0, 1.0]


@pytest.mark.slow
def test_memory_of_the_two_forms_alone(tmp_path: Path) -> None:
    _run("--no-context", "--batch", "16", "--prompts", "20", "--out", str(tmp_path))
    records = json.loads((tmp_path / "training.json").read_text())["sections"]["Training step"]
    assert [record["step"] for record in records] == [TOKENS, PREFIX]
    assert records[0]["memory_ratio"] == 1.0
    assert 0 < records[1]["memory_ratio"] < 1


def test_a_bad_dtype_is_refused() -> None:
    done = CliRunner().invoke(
        app, ["bench", "training", "--dtype", "float16"], env={"COLUMNS": "400"}
    )
    assert done.exit_code
    assert "dtype.0: input should be 'float32' or 'bfloat16', found 'float16'" in done.output


@pytest.mark.skipif(torch.cuda.is_available(), reason="would measure the memory of the CUDA device")
def test_peak_is_what_the_calls_take() -> None:
    assert peak(partial(holding, 2**26, 2**25)) == pytest.approx(2**25, rel=0.2)
