"""Task names are safe as a path segment, a URL segment and a metric label."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facet_vision.prompts_store import InvalidTaskName, check_task_name
from facet_vision.prompts_store.names import is_task_name


@pytest.mark.parametrize(
    "name", ["a", "9", "Flowers-102", "eu.flowers_v2", "a" * 128, "statistics"]
)
def test_accepted(name: str) -> None:
    assert check_task_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../etc",
        "a/b",
        "a\\b",
        "a..b",
        "-a",
        "_a",
        ".a",
        "a b",
        "a\n",
        "a%2e",
        "é",
        "a" * 129,
        "stats",
        "backbone",
        7,
    ],
)
def test_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(InvalidTaskName, match=r"task name: expected .*, found") as caught:
        check_task_name(name)
    assert "\n" not in str(caught.value)


@given(st.text("aZ9._-/\\\n\0é "))
def test_an_accepted_name_stays_in_its_folder(name: str) -> None:
    if is_task_name(name):
        assert name.isascii()
        assert not set(name) & set("/\\\0\n")
        assert ".." not in name
