"""Hostile files are refused with their sentences, and random damage never goes unnoticed."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facet_vision.prompts_store import TaskFile, TaskFileError
from tests.prompts_store.hostile import Hostile, cases
from tests.prompts_store.task_examples import task_file

CASES = cases()
SOUND = task_file().to_bytes()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused_in_one_sentence(case: Hostile) -> None:
    started = time.monotonic()
    with pytest.raises(case.error) as caught:
        TaskFile.from_bytes(case.data)
    sentence = str(caught.value)
    assert all(word in sentence for word in case.words), sentence
    assert "\n" not in sentence
    assert len(sentence) < 500
    assert time.monotonic() - started < 2


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@given(st.integers(0, len(SOUND) - 1))
def test_every_truncation_is_refused(length: int) -> None:
    with pytest.raises(TaskFileError):
        TaskFile.from_bytes(SOUND[:length])


@given(
    st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_damage_is_refused_or_sound(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SOUND)
    for position, value in changes:
        data[position] = value
    with contextlib.suppress(TaskFileError):
        file = TaskFile.from_bytes(bytes(data))
        assert TaskFile.from_bytes(file.to_bytes()).to_bytes() == file.to_bytes()


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(TaskFileError):
        TaskFile.from_bytes(data)
