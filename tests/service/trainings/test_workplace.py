"""The files that `facet train` reads and writes for a training."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from facet_vision.service.trainings.record import Created, Image, Training
from facet_vision.service.trainings.workplace import Workplace
from facet_vision.training.data.datasets.columns import Columns
from facet_vision.training.data.datasets.tables import load_table
from tests.service.support.trainings import picture

HOSTILE = ['=cmd|" /C calc"!A0', "a,b", 'say "hi"', "na\u00efve \u2602", "<script>", "../../etc"]


def training(images: dict[str, Image]) -> Training:
    plan = Created(
        at=datetime(2026, 1, 1, tzinfo=UTC),
        by="x",
        task="t",
        method="linear",
        budget_seconds=None,
        keep_seconds=None,
    )
    return Training("0" * 16, 1, plan, images=images, run=2)


def image(number: int, label: str) -> Image:
    return Image(
        id=f"{number:016x}",
        label=label,
        file="../../x.png",
        name="n",
        size=1,
        media_type="image/png",
    )


def test_facet_train_reads_the_labels_as_they_were_given(tmp_path: Path) -> None:
    labels = [label for label in HOSTILE for _ in range(2)]
    images = {
        each.id: each for each in (image(number, label) for number, label in enumerate(labels))
    }
    read = {id: picture("red", number) for number, id in enumerate(images)}
    desk = Workplace(tmp_path).desk(training(images))
    desk.lay_out(images, lambda each: read[each.id])
    data = load_table(desk.table, Columns(), seed=0, holdout=0.5)
    assert set(data.labels) == set(HOSTILE)
    assert len(data.train) + len(data.test) == len(labels)
    written = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {"table.csv", *images}


def test_what_an_earlier_process_has_laid_out_is_not_read_again(tmp_path: Path) -> None:
    images = {each.id: each for each in (image(0, "a"), image(1, "b"))}
    desk = Workplace(tmp_path).desk(training(images))
    asked: list[str] = []

    def read(each: Image) -> bytes:
        asked.append(each.id)
        return b"x"

    desk.lay_out(images, read)
    desk.lay_out(images, read)
    assert asked == list(images)


def test_rows_of_the_report_are_images(tmp_path: Path) -> None:
    images = {each.id: each for each in (image(0, "a"), image(1, "b"))}
    desk = Workplace(tmp_path).desk(training(images))
    desk.lay_out(images, lambda _: b"x")
    report = {
        "task": "t",
        "wrong": [{"image": "row 2, /somewhere/row 1/x"}],
        "doubtful": [{"image": "row 1"}],
    }
    desk.report.write_text(json.dumps(report))
    first, second = images
    assert desk.result(images, 1.26) == {
        "wrong": [{"image": second}],
        "doubtful": [{"image": first}],
        "seconds": 1.3,
    }


@pytest.mark.parametrize("lasting", [True, False])
def test_files_go_with_the_training(tmp_path: Path, lasting: bool) -> None:
    workplace = Workplace(tmp_path if lasting else None)
    images = {image(0, "a").id: image(0, "a")}
    desk = workplace.desk(training(images))
    desk.lay_out(images, lambda _: b"x")
    assert workplace.ids() == ["0" * 16]
    workplace.clear("0" * 16)
    assert workplace.ids() == []
    desk.lay_out(images, lambda _: b"x")
    workplace.close()
    assert desk.table.exists() == lasting
