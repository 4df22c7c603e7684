"""While one connection attacks, another client hardly notices; the attacks are what they say."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facet_vision import backbone
from facet_vision.bench.attacks.kinds import heavy, progressive, thin
from facet_vision.bench.attacks.measure import ADDED_SECONDS, FACTOR
from facet_vision.bench.command import app

STATUSES = {
    "long head": {"431"},
    "many headers": {"431"},
    "long trailer": {"400"},
    "many trailers": {"400"},
    "chunk extensions": {"400"},
    "tiny chunks": {"400"},
    "pipelined requests": {"200", "none"},
    "rubbish": {"400"},
    "thin images": {"200"},
    "progressive JPEG": {"422"},
    "heavy images": {"200"},
    "many names": {"413"},
    "form of boundaries": {"400"},
    "long part head": {"400"},
    "all labels": {"200"},
}


def test_attacks_and_an_overload(tmp_path: Path) -> None:
    """A short slice of all; `facet bench attacks` takes longer and more of each."""
    options = ["--backbone", "facet-tiny", "--tokens", "2", "--tasks", "2", "--rounds", "1"]
    options += ["--seconds", "1", "--image-size", "64x48", "--clients", "4", "--overload", "2"]
    options += ["--slow", "50", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, ["attacks", *options])
    assert done.exit_code == 0, done.output
    sections = json.loads((tmp_path / "attacks.json").read_text())["sections"]
    quiet, *attacks = sections["Another client"]
    assert [each["what"] for each in attacks] == list(STATUSES)
    for each in attacks:
        found = {answer.split(" x ")[1] for answer in each["answers"].split(", ")}
        # The last of them is cut off when the measurement ends.
        assert found - {"none"} <= STATUSES[each["what"]], each
        assert each["within"] == "yes", each
        assert each["p99"]["median"] <= FACTOR * quiet["p99"]["median"] + ADDED_SECONDS
        assert each["failed"]["median"] == 0
    peak, overload = sections["Overload"]
    assert overload["offered"]["median"] > 1.5 * peak["images_per_second"]["median"]
    assert overload["unanswered"]["median"] == 0


def test_the_images_are_what_they_are_called() -> None:
    assert len(thin()) < 2000
    with pytest.raises(backbone.ImageError, match="scans"):
        backbone.open_image(progressive())
    assert backbone.open_image(heavy()).work == 64_000_000
