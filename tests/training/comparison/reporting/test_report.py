"""The report in Markdown and as JSON."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facet_vision.training.comparison.records import Comparison
from facet_vision.training.comparison.reporting.findings import findings
from facet_vision.training.comparison.reporting.report import as_json, cells, markdown, write
from facet_vision.training.errors import TrainingError
from tests.training.support.trained import comparison, over_seeds, trained

CELLS = [
    *over_seeds("linear", "a", [0.50, 0.60], parameters=30),
    *over_seeds("linear", "b", [0.40, 0.40], parameters=50),
    *over_seeds(
        "vpt-deep",
        "a",
        [0.80, 0.90],
        parameters=70,
        chosen={"lr": 0.05, "tokens": 10},
        ends={"lr": "lowest"},
        validation=0.75,
    ),
    *over_seeds("vpt-deep", "b", [0.60, 0.60], parameters=90, seconds=3.0),
    *over_seeds(
        "full",
        "a",
        [0.70, 0.80],
        parameters=1030,
        seconds=200.0,
        peak_bytes=2**30,
        training_images=20,
    ),
    *over_seeds("full", "b", [0.80, 0.81], parameters=1050, seconds=100.0),
]
GROUPS = {"Natural": ("a",), "Structured": ("b",)}
DONE = comparison(CELLS, groups=GROUPS)


def row(text: str, *start: str) -> list[str]:
    """Return the cells of the first line of a table that starts with these."""
    for line in text.splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if cells[: len(start)] == list(start):
                return cells
    raise AssertionError(f"no line of a table starts with {start}")


def test_order_of_the_sections() -> None:
    headings = re.findall(r"^#+ (.*)$", markdown(DONE), re.MULTILINE)
    assert headings == [
        "3 methods on test-vit",
        "All methods",
        "Verdicts",
        "Task by task",
        "Where the paper's order holds",
        "Chosen hyperparameters",
        "Time and memory",
        "How it was made",
    ]


def test_the_shape_of_the_papers_table() -> None:
    text = markdown(DONE)
    head = [
        "method",
        "served",
        "total",
        "tuned per task",
        "of backbone",
        "Natural (1)",
        "Structured (1)",
        "all (2)",
    ]
    assert row(text, "method") == head
    linear, deep, full = (row(text, method) for method in ("linear", "vpt-deep", "full"))
    assert linear == [
        "linear",
        "yes",
        "1.08×",
        "40",
        "4.00 %",
        "55.0 ± 7.1 [0]",
        "40.0 ± 0.0 [0]",
        "47.5 ± 3.5 [0]",
    ]
    assert deep[2:] == [
        "1.16×",
        "80",
        "8.00 %",
        "**85.0 ± 7.1** [1]",
        "60.0 ± 0.0 [0]",
        "72.5 ± 3.5 [1]",
    ]
    assert full[1:4] == ["no", "2.08×", "1,040"]
    assert full[5:] == ["75.0 ± 7.1", "**80.5 ± 0.7**", "**77.8 ± 3.9**"]
    assert "won against full" in text


def test_one_group_needs_no_column_beside_all() -> None:
    assert row(markdown(comparison(CELLS)), "method")[5:] == ["all (2)"]


def test_task_by_task() -> None:
    text = markdown(DONE)
    assert row(text, "group") == ["group", "task", "linear", "vpt-deep", "full"]
    assert row(text, "Structured", "b") == [
        "Structured",
        "b",
        "40.0 ± 0.0",
        "60.0 ± 0.0",
        "**80.5 ± 0.7**",
    ]
    assert "mean ± sample standard deviation over 2 seeds" in text


def test_the_papers_order_row_by_row() -> None:
    text = markdown(DONE)
    mean = row(text, "vpt-deep above full on the mean")
    assert mean[1:3] == ["73.5 to 70.4 (+3.2)", "−5.3"]
    # 12.7 (one degree of freedom) times half of the deviation of b's mean, half a point.
    assert mean[3] == "−8.4 to −2.1"
    assert mean[4:] == ["−199.0 to +188.5", "does not hold here"]
    assert row(text, "vpt-deep above full on most tasks")[1:] == [
        "20 of 24",
        "1 of 2 (1 surely)",
        "",
        "",
        *mean[5:],
    ]
    assert row(text, "vpt-deep above full on Natural")[5] == "holds here"
    assert row(text, "full above linear on the mean")[1] == "70.4 to 58.4 (+11.9)"
    assert "Not compared here: partial-1, mlp-3, sidetune, bias, adapter, vpt-shallow." in text
    groups = "FGVC 5, Natural 7, Specialized 4, Structured 8"
    assert f"ViT-B/16, supervised on ImageNet-21k, over 24 tasks ({groups})" in text
    assert "Swin-B, supervised" in markdown(replace(DONE, backbone="swin_tiny"))


def test_no_statement_of_the_paper() -> None:
    text = markdown(comparison(over_seeds("lora", "a", [0.5, 0.6])))
    assert "None of its statements is on two methods that are here." in text
    assert not any(
        "statement" in sentence for sentence in findings(comparison(over_seeds("lora", "a", [0.5])))
    )


def test_chosen_hyperparameters() -> None:
    seeds = over_seeds("vpt-deep", "a", [0.1, 0.2, 0.3], validation=0.5, chosen={"lr": 0.05})
    seeds[1] = replace(seeds[1], validation=0.8, chosen={"lr": 1e-05, "weight_decay": 0})
    text = markdown(comparison([*seeds, trained("linear", "b")])).partition("## Chosen")[2]
    assert row(text, "vpt-deep") == [
        "vpt-deep",
        "lr, weight_decay",
        "0.05, – / 1e-05, 0 (60.0)",
        "–",
    ]
    assert row(text, "linear") == ["linear", "–", "–", "–"]
    assert row(markdown(DONE).partition("## Chosen")[2], "vpt-deep")[2] == "0.05↓, 10 (75.0)"


def test_every_cell_with_its_choice_and_each_seed() -> None:
    text = cells(DONE)
    assert f"`{'d' * 64}`" in text
    assert row(text, "task")[2:] == [
        *("chosen", "at an end of its grid", "validation", "test, seed 0", "test, seed 1"),
    ]
    assert row(text, "a", "vpt-deep")[2:] == [
        *("lr 0.05, tokens 10", "lr lowest", "75.0", "80.0", "90.0"),
    ]
    assert row(text, "a", "linear")[2:] == ["–", "no", "–", "50.0", "60.0"]
    assert len(text.splitlines()) == 4 + 2 + 2 * 3
    lacking = cells(comparison(CELLS[1:], groups=GROUPS, seeds=(0, 1)))
    assert row(lacking, "a", "linear")[5:] == ["–", "60.0"]


def test_verdicts() -> None:
    text = markdown(DONE).partition("## Verdicts")[2]
    assert row(text, "vpt-deep and full", "all (2)")[2:] == [
        *("−5.3", "−199.0 to +188.5", "1", "undecided"),
    ]
    assert row(text, "vpt-deep and linear", "Natural (1)")[2:] == ["+30.0", "–", "1", "undecided"]
    assert "best served (" not in text  # without a validation accuracy on every task
    none = markdown(comparison([trained("lora")])).partition("## Verdicts")[2]
    assert "No two of the methods that are asked about are here." in none


def test_time_and_memory() -> None:
    text = markdown(DONE).partition("## Time")[2]
    assert row(text, "method") == [
        "method",
        "seconds",
        "of full",
        "images/s",
        "peak MiB",
        "of full",
    ]
    assert row(text, "full") == ["full", "150", "1.00", "50", "512", "1.00"]
    assert row(text, "vpt-deep") == ["vpt-deep", "2.5", "0.02", "50", "1", "0.50"]
    without = markdown(comparison(CELLS[:4])).partition("## Time")[2]
    assert row(without, "method") == ["method", "seconds", "images/s", "peak MiB"]
    assert row(without, "linear") == ["linear", "2", "50", "1"]


def test_how_it_was_made() -> None:
    text = markdown(DONE)
    assert "```\nfacet compare a b\n```" in text
    assert row(text, "backbone")[1] == "test-vit, 1,000 parameters"
    assert row(text, "fingerprint")[1] == f"`{'f' * 64}`"
    assert row(text, "seeds")[1] == "0, 1"
    assert row(text, "training images")[1] == "a 20/30, b 30"
    assert row(text, "held-out images")[1] == "a 50, b 50"
    assert row(text, "protocol")[1] == f"`{'d' * 64}`"
    assert row(text, "machine")[1] == "an abacus"


def test_names_cannot_break_a_table() -> None:
    text = markdown(comparison([trained("linear", "a|b\nc")]))
    assert "| tasks | a\\|b c | **50.0** |" in text


# findings


def test_findings_of_a_complete_comparison() -> None:
    assert findings(DONE) == [
        "Best on the mean of 2 tasks is full (77.8 %), then vpt-deep (72.5 %).",
        "Best of those that are served from the shared backbone is vpt-deep (72.5 %).",
        "vpt-deep and full: −5.3 points (95 % interval by task −199.0 to +188.5), "
        "1 of 2 tasks won: undecided; it trains 7.69 % of its numbers.",
        "vpt-deep and linear: +25.0 points (95 % interval by task −38.5 to +88.5), "
        "2 of 2 tasks won: undecided.",
        "vpt-deep above linear on every task: holds "
        "(above on 2 of 2, surely on 2; surely below on 0).",
        "In 1 of 1 searches a value at an end of its grid was chosen (lr lowest 1).",
        "Of 6 statements of the paper on the order of these methods, "
        "holding here: 3 (for tasks like these too: 0); not holding: 3 (0); undecided: 0.",
    ]


def test_findings_of_an_incomplete_comparison() -> None:
    some = comparison(
        [cell for cell in CELLS if (cell.method, cell.task) != ("full", "b")][:-1], groups=GROUPS
    )
    incomplete, best, *_ = findings(some)
    assert incomplete == "Incomplete: 9 of 12 trainings are there (lacking: full 3)."
    assert best == "Best on the mean of 2 tasks is vpt-deep (72.5 %), then linear (47.5 %)."
    text = markdown(some)
    assert row(text, "full")[2:] == ["–", "1,030", "103.00 %", "70.0", "–", "70.0*"]
    assert row(text, "vpt-deep above full on Structured")[2:] == ["–", "", "", "undecided"]
    assert row(text, "Structured", "b")[4] == "–"


def test_findings_while_nothing_is_complete() -> None:
    found = comparison(CELLS[:2], groups=GROUPS, methods=("linear", "bias"))
    assert findings(found)[:2] == [
        "Incomplete: 2 of 8 trainings are there (lacking: linear 2, bias 4).",
        "No method has all tasks, so none leads.",
    ]
    text = markdown(found)
    assert row(text, "bias") == ["bias", *["–"] * 7]
    assert row(text.partition("## Time")[2], "bias") == ["bias", "–", "–", "–"]


def test_findings_of_a_single_training() -> None:
    found = comparison([trained("vpt-deep")])
    assert markdown(found).startswith("# 1 method on test-vit\n")
    assert findings(found) == [
        "With one seed nothing is known of how results spread over trainings.",
        "Best on the mean of 1 task is vpt-deep (50.0 %).",
    ]
    assert "one training each (seed 0)" in markdown(found)
    assert "won against full" not in markdown(found)


def test_the_runner_up_is_named_with_its_difference() -> None:
    found = comparison([*over_seeds("lora", "a", [0.5, 0.7]), *over_seeds("bias", "a", [0.4, 0.6])])
    assert findings(found)[0] == (
        "Best on the mean of 1 task is lora (60.0 %), then bias (50.0 %) with a paired difference "
        "of +10.0 points (95 % interval +10.0 to +10.0 for these tasks)."
    )


# JSON, files


def test_json_holds_all_numbers() -> None:
    found = json.loads(json.dumps(as_json(DONE), allow_nan=False))
    assert (found["backbone"], len(found["cells"]), found["groups"]["Natural"]) == (
        "test-vit",
        12,
        ["a"],
    )
    assert found["findings"] == findings(DONE)
    deep = found["summary"][1]
    assert (deep["method"], deep["served"], deep["size"]) == (
        "vpt-deep",
        True,
        {"tuned": 80, "total": 1.16},
    )
    assert deep["scores"]["all"]["mean"] == pytest.approx(0.725)
    assert deep["scores"].keys() == {"Natural", "Structured", "all", "a", "b"}
    assert deep["against full"]["b"]["mean"] == pytest.approx(-0.205)
    assert deep["cost"]["relative_seconds"] == pytest.approx(0.02)
    assert [each["verdict"] for each in found["answers"]] == ["undecided"] * 6
    assert found["on every task"]["verdict"] == "holds"
    assert found["paper"][0]["statement"]["better"] == "vpt-deep"
    assert found["paper"][0]["verdict"] == "does not hold here"


def test_files_are_written_and_link_to_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    files = write(DONE, folder)
    assert {path.name for path in files} == {path.name for path in folder.iterdir()}
    text = (folder / "README.md").read_text()
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", text)
    assert len(pictures) == 3
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in pictures)
    assert json.loads((folder / "comparison.json").read_text())["command"] == "facet compare a b"


def test_nothing_is_written_without_a_training(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"^comparison: expected at least one finished training, found none$"
    ):
        write(comparison([], methods=("linear",), groups=GROUPS), tmp_path / "report")
    assert not (tmp_path / "report").exists()


@settings(max_examples=30)
@given(
    st.sets(
        st.tuples(
            st.sampled_from(["linear", "vpt-deep", "full", "lora"]),
            st.sampled_from("abc"),
            st.integers(0, 2),
        )
    ),
    st.lists(st.integers(0, 20), min_size=36, max_size=36),
)
def test_any_finished_trainings_make_a_report(
    places: set[tuple[str, str, int]], accuracies: list[int]
) -> None:
    made = [
        trained(*place, part / 20) for place, part in zip(sorted(places), accuracies, strict=False)
    ]
    found = comparison(
        made,
        groups={"Natural": ("a", "b"), "mine": ("c",)},
        methods=("linear", "vpt-deep", "full", "lora"),
        seeds=(0, 1, 2),
    )
    _check_tables(markdown(found), found)
    json.dumps(as_json(found), allow_nan=False)


def _check_tables(text: str, found: Comparison) -> None:
    """Check that all lines of a table have the same cells, and every method has its line."""
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
    assert [line.split("|")[1].strip() for line in tables[0][2:]] == list(found.methods)
    assert "nan" not in text
