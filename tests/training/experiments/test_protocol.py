"""Protocol of a comparison: what a later command in the same folder may change."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facet_vision.backbone import Backbone
from facet_vision.training.comparison.plan import Plan
from facet_vision.training.comparison.protocol import protocol_of
from facet_vision.training.errors import TrainingError
from facet_vision.training.experiments.protocol import Protocol, opened
from tests.training.support.plans import drive, grown, outcomes_in, plan_of

IMAGES = {"a": "1", "b": "2", "c": "3"}
GRIDS = (
    "shots = 5\nvalidation = 0.25\n[linear]\nsearch = 'lr=0.1,0.3'\n[vpt-deep]\nsearch = 'lr=1,2'\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def _open(
    plan: Plan, folder: Path, tiny: Backbone, images: dict[str, str] = IMAGES, extend: bool = True
) -> Protocol:
    return opened(
        folder / "protocol.json",
        protocol_of(plan, tiny, images),
        outcomes_in(folder),
        extend=extend,
    )


def test_the_protocol_is_on_disk_before_the_first_training(
    tmp_path: Path, folder: Path, tiny: Backbone
) -> None:
    protocol = _open(plan_of(tmp_path, GRIDS), folder, tiny)
    written = json.loads((folder / "protocol.json").read_text())
    assert written["digest"] == protocol.digest
    facts = written["facts"]
    assert facts["seeds"] == [3, 4]
    assert facts["split"]["shots"] == 5
    assert facts["split"]["validation"] == 0.25
    assert facts["backbone"] == {"name": tiny.name, "fingerprint": tiny.fingerprint}
    assert facts["tasks"]["b"] == {"group": "two", "images": "2"}
    assert facts["methods"]["vpt-deep"]["grid"] == {"lr": [1.0, 2.0]}
    assert facts["methods"]["linear"]["recipe"]["epochs"] == 100


def test_the_digest_depends_on_values_alone(tmp_path: Path, tiny: Backbone) -> None:
    def digest(text: str = GRIDS, **changes: Any) -> str:
        return protocol_of(grown(plan_of(tmp_path, text), **changes), tiny, IMAGES).digest

    same = [
        digest(GRIDS.replace("lr=1,2", "lr=1.0,2e0")),
        digest(GRIDS.replace("shots = 5\n", "").replace("[linear]", "shots = 5\n[linear]")),
        digest(methods=("vpt-deep", "linear")),
    ]
    assert {digest(), *same} == {digest()}
    others = [
        digest(GRIDS.replace("lr=1,2", "lr=1,3")),
        digest(GRIDS.replace("shots = 5", "shots = 6")),
        digest(seeds=(4, 3)),
        digest(f"epochs = 9\n{GRIDS}"),
    ]
    assert len({digest(), *others}) == 5


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        (
            GRIDS.replace("lr=0.1,0.3", "lr=0.1,0.9"),
            {},
            r"^methods\.linear\.grid\.lr: expected \[0\.1, 0\.3\], as in .*protocol\.json, found "
            r"\[0\.1, 0\.9\]; another protocol needs another folder$",
        ),
        (
            GRIDS.replace("lr=0.1,0.3", "lr=0.1,0.3,1").replace("lr=1,2", "lr=1,2,3"),
            {},
            r"^methods\.linear\.grid\.lr: expected \[0\.1, 0\.3\], .* found \[0\.1, 0\.3, 1\.0\];",
        ),
        (
            GRIDS.replace("lr=1,2", "tokens=1,2"),
            {},
            r"^methods\.vpt-deep\.grid\.lr: .* found none;",
        ),
        (
            f"epochs = 7\n{GRIDS}",
            {},
            r"^methods\.linear\.recipe\.epochs: expected 100, .* found 7;",
        ),
        (GRIDS.replace("shots = 5", "shots = 9"), {}, r"^split\.shots: expected 5, .* found 9;"),
        (GRIDS.replace("0.25", "0.5"), {}, r"^split\.validation: expected 0\.25, .* found 0\.5;"),
        (GRIDS, {"seeds": (3,)}, r"^seeds: expected \[3, 4\], .* found \[3\];"),
        (GRIDS, {"seeds": (4, 3)}, r"^seeds: expected \[3, 4\], .* found \[4, 3\];"),
        (GRIDS, {"methods": ("linear",)}, r"^methods\.vpt-deep: expected \{.*, found none;"),
        (GRIDS, {"groups": {"one": ("a",)}}, r"^tasks\.b: expected \{.*, found none;"),
        (
            GRIDS,
            {"groups": {"one": ("a", "b")}},
            r"^tasks\.b\.group: expected \"two\", .* found \"one\";",
        ),
    ],
)
@pytest.mark.parametrize("trained", [False, True])
def test_a_folder_is_not_opened_with_another_protocol(
    text: str,
    changes: dict,
    message: str,
    trained: bool,
    tmp_path: Path,
    folder: Path,
    tiny: Backbone,
) -> None:
    _open(plan_of(tmp_path, GRIDS), folder, tiny)
    if trained:
        drive(plan_of(tmp_path, GRIDS), folder)
    before = (folder / "protocol.json").read_text()
    with pytest.raises(TrainingError, match=message):
        _open(grown(plan_of(tmp_path, text), **changes), folder, tiny)
    assert (folder / "protocol.json").read_text() == before


def test_other_images_or_another_backbone_are_another_protocol(
    tmp_path: Path, folder: Path, tiny: Backbone
) -> None:
    plan = plan_of(tmp_path, GRIDS)
    _open(plan, folder, tiny)
    with pytest.raises(TrainingError, match=r'^tasks\.a\.images: expected "1", .* found "9";'):
        _open(plan, folder, tiny, IMAGES | {"a": "9"})
    found = protocol_of(plan, tiny, IMAGES)
    other = Protocol(found.facts | {"backbone": {"name": tiny.name, "fingerprint": "0"}})
    with pytest.raises(TrainingError, match=r"^backbone\.fingerprint: expected "):
        opened(folder / "protocol.json", other, outcomes_in(folder), extend=True)


def test_seeds_tasks_and_methods_may_be_added_and_it_is_recorded(
    tmp_path: Path, folder: Path, tiny: Backbone
) -> None:
    text = f"{GRIDS}[bias]\nsearch = 'lr=0.5,0.7'\n"
    plan = plan_of(tmp_path, text)
    first = _open(plan, folder, tiny)
    drive(plan, folder)
    wider = grown(
        plan,
        seeds=(3, 4, 5),
        groups={**plan.groups, "three": ("c",)},
        methods=(*plan.methods, "bias"),
    )
    added = _open(wider, folder, tiny)
    assert added.added == ("seeds 5, tasks c, methods bias, after 8 final trainings",)
    assert added.digest != first.digest
    assert _open(wider, folder, tiny) == added
    with pytest.raises(TrainingError, match=r"^seeds: expected \[3, 4, 5\]"):
        _open(plan, folder, tiny)


def test_a_report_alone_changes_nothing(tmp_path: Path, folder: Path, tiny: Backbone) -> None:
    plan = plan_of(tmp_path, GRIDS)
    _open(plan, folder, tiny, extend=False)
    assert list(folder.iterdir()) == []
    _open(plan, folder, tiny)
    with pytest.raises(TrainingError, match=r"^protocol: expected that of .* found seeds 5$"):
        _open(grown(plan, seeds=(3, 4, 5)), folder, tiny, extend=False)


def test_trainings_without_a_protocol_are_not_continued(
    tmp_path: Path, folder: Path, tiny: Backbone
) -> None:
    plan = plan_of(tmp_path, GRIDS)
    drive(plan, folder)
    with pytest.raises(TrainingError, match=r"protocol\.json: expected the protocol of the train"):
        _open(plan, folder, tiny)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"facts": {}, "added": [], "digest": "0"}'])
def test_a_protocol_that_was_changed_by_hand_is_refused(
    text: str, tmp_path: Path, folder: Path, tiny: Backbone
) -> None:
    (folder / "protocol.json").write_text(text)
    with pytest.raises(TrainingError, match=r"protocol\.json: expected .*, found "):
        _open(plan_of(tmp_path, GRIDS), folder, tiny)


parts = st.tuples(
    st.integers(1, 3),
    st.sets(st.sampled_from("abc"), min_size=1),
    st.sets(st.sampled_from(["linear", "vpt-deep", "bias"]), min_size=1),
)


@settings(max_examples=50)
@given(parts, parts)
def test_a_folder_is_opened_by_whatever_contains_it(
    tiny: Backbone, before: tuple, now: tuple
) -> None:
    with TemporaryDirectory() as place:
        folder = Path(place)
        plan = plan_of(folder, f"{GRIDS}[bias]\nsearch = 'lr=0.5,0.7'\n")
        first, second = (
            grown(
                plan,
                seeds=(3, 4, 5)[:seeds],
                groups={"one": tuple(sorted(tasks))},
                methods=tuple(sorted(methods)),
            )
            for seeds, tasks, methods in (before, now)
        )
        _open(first, folder, tiny)
        if now[0] >= before[0] and now[1] >= before[1] and now[2] >= before[2]:
            assert _open(second, folder, tiny).digest == protocol_of(second, tiny, IMAGES).digest
        else:
            with pytest.raises(TrainingError, match=r"another protocol needs another folder$"):
                _open(second, folder, tiny)
