"""The forward benchmark measures what it says, on a backbone small enough for a test."""

import copy
import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from facet_vision import backbone
from facet_vision.backbone.execution import packed
from facet_vision.bench.forward import (
    BARE,
    MIXED,
    PACKED,
    PREFIX,
    TOKENS,
    Cell,
    cells,
    contenders,
    measure_cell,
)
from facet_vision.bench.measuring.roofline import MatrixProduct, flops, products
from facet_vision.bench.plans import ForwardPlan
from facet_vision.cli import app


def test_every_combination_is_a_cell_once() -> None:
    plan = ForwardPlan(
        backbone=("a", "b"),
        dtype=("float32", "bfloat16"),
        kind=("deep", "shallow"),
        prompts=(0, 5),
        batch=(1, 8),
    )
    found = list(cells(plan))
    assert len(found) == len(set(found)) == 2 * 2 * (2 * 1 + 1) * 2
    assert Cell("b", "bfloat16", "none", 0, 8) in found
    assert Cell("a", "float32", "shallow", 5, 1) in found


def test_all_forwards_of_a_cell_are_timed_in_every_round() -> None:
    net = backbone.load("facet-tiny", pretrained=False)
    records = measure_cell(net, None, Cell("facet-tiny", "float32", "deep", 3, 2), rounds=2)
    assert [record["forward"] for record in records] == [BARE, TOKENS, PREFIX, MIXED]
    assert all(
        len(record["seconds"].rounds) == 2 and min(record["seconds"].rounds) > 0
        for record in records
    )
    assert records[0]["ratio"].rounds == (1.0, 1.0)
    assert all(0 < record["share"].median < 2 for record in records)


def test_contenders_are_forms_of_the_same_function() -> None:
    net = backbone.load("facet-tiny", pretrained=False)
    twin = copy.deepcopy(net)
    twin.pack()
    for kind in ("deep", "shallow"):
        forms = contenders(net, twin, Cell("facet-tiny", "float32", kind, 3, 2))
        features = {name: forms[name]() for name in forms}
        torch.testing.assert_close(features[PREFIX], features[TOKENS], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(features[MIXED][:1], features[PREFIX][:1], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(features[PACKED], features[MIXED], rtol=1e-4, atol=1e-4)
        assert not torch.allclose(features[PREFIX], features[BARE])


def test_a_matrix_product_counts_its_operations() -> None:
    call = MatrixProduct(8, 16, 32, torch.device("cpu"), torch.float32)
    call()
    assert call.flops % (2 * 8 * 16 * 32) == 0
    assert flops(lambda: torch.ones(8, 16) @ torch.ones(16, 32)) == 2 * 8 * 16 * 32
    assert [one.name for one in products(8, 16, torch.device("cpu"), torch.float32)][-1].endswith(
        "8 x 16 x 64"
    )


def test_the_command_prints_a_table_and_writes_the_report(tmp_path: Path) -> None:
    options = ["--backbone", "facet-tiny", "--prompts", "0,3", "--batch", "2", "--rounds", "1"]
    options += ["--kind", "shallow"]
    out = tmp_path / "report"
    done = CliRunner().invoke(
        app, ["bench", "forward", *options, "--dtype", "bfloat16", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    assert (
        "rounds 1, backbone facet-tiny, dtype bfloat16, kind shallow, prompts 0, 3, batch 2."
        in done.output
    )
    document = json.loads((out / "forward.json").read_text())
    found = [(record["prompts"], record["forward"]) for record in document["sections"]["Forward"]]
    packed_form = [PACKED] if packed.available(torch.bfloat16) else []
    bare = [(0, name) for name in (BARE, PREFIX, *packed_form)]
    prompted = [(3, name) for name in (BARE, TOKENS, PREFIX, MIXED, *packed_form)]
    assert found == [*bare, *prompted]
    assert (out / "forward.md").read_text().startswith("# facet bench forward")
    assert (out / "forward-ratio.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--prompts", "many", "prompts.0: input should be a valid integer"),
        ("--batch", "0", "batch.0: input should be greater than or equal to 1"),
        ("--kind", "deepest", "kind.0: input should be 'deep' or 'shallow'"),
        ("--dtype", "int8", "dtype.0: input should be 'float32', 'bfloat16' or 'float16'"),
        ("--backbone", "shvit_s1", "expected one of the names"),
    ],
)
def test_a_bad_option_is_refused_in_a_sentence(option: str, value: str, sentence: str) -> None:
    done = CliRunner().invoke(app, ["bench", "forward", option, value], env={"COLUMNS": "400"})
    assert done.exit_code
    assert sentence in done.output
