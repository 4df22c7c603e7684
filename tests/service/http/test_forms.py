"""No part of a form vanishes: a form that was cut off anywhere is refused."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from tests.service.support.app import assert_problem, png, task_file, upload

BOUNDARY = b"boundary"
HEADERS = {"Content-Type": "multipart/form-data; boundary=boundary"}


def part(name: str, body: bytes, file: str = "") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"' + (
        f'; filename="{file}"' if file else ""
    )
    return b"--" + BOUNDARY + b"\r\n" + head.encode() + b"\r\n\r\n" + body + b"\r\n"


FORM = (
    part("file", png(1), "first.png")
    + part("tasks", b"cats")
    + part("file", png(2), "second.png")
    + part("tasks", b"dogs")
    + b"--boundary--\r\n"
)


@pytest.fixture
def two_tasks(client: TestClient, small: Backbone) -> TestClient:
    for task in ("cats", "dogs"):
        assert upload(client, task_file(small, task)).status_code == 201
    return client


def test_a_whole_form_is_answered_for_all_its_parts(two_tasks: TestClient) -> None:
    answer = two_tasks.post("/v1/predict", content=FORM, headers=HEADERS)
    assert answer.status_code == 200
    assert [(one["file"], one["task"]) for one in answer.json()["results"]] == [
        (file, task) for file in ("first.png", "second.png") for task in ("cats", "dogs")
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.integers(0, len(FORM) - len(b"--\r\n") - 1))
def test_a_form_that_is_cut_off_is_refused(two_tasks: TestClient, length: int) -> None:
    response = two_tasks.post("/v1/predict", content=FORM[:length], headers=HEADERS)
    assert_problem(response, 400, "form")


@pytest.mark.parametrize("kept", [2, 3, 4])
def test_the_end_of_a_part_is_not_the_end_of_the_form(two_tasks: TestClient, kept: int) -> None:
    """The cuts at which all that arrived is sound."""
    parts = FORM.split(b"--boundary\r\n")[1 : kept + 1]
    body = b"".join(b"--boundary\r\n" + one for one in parts).removesuffix(b"--boundary--\r\n")
    response = two_tasks.post("/v1/predict", content=body, headers=HEADERS)
    assert_problem(response, 400, "no closing boundary")


@pytest.mark.parametrize(
    ("charset", "file"),
    [
        ("utf-7", "+2AA-"),
        ("unicode_escape", r"\ud800"),
        ("idna", "xn--aaaa"),
        ("punycode", "a"),
        ("undefined", "a"),
        ("utf-16", "ab"),
        ("no-such", "a"),
    ],
)
def test_a_charset_that_makes_no_text_is_refused(
    two_tasks: TestClient, charset: str, file: str
) -> None:
    headers = {"Content-Type": f"multipart/form-data; boundary=boundary; charset={charset}"}
    body = part("file", png(), file) + b"--boundary--\r\n"
    response = two_tasks.post("/v1/tasks/cats/predict", content=body, headers=headers)
    assert_problem(response, 415, "charset", "utf-8", charset)


@pytest.mark.parametrize("charset", ["UTF-8", '"utf-8"', "us-ascii", "ISO-8859-1"])
def test_a_charset_that_clients_name_is_taken(two_tasks: TestClient, charset: str) -> None:
    headers = {"Content-Type": f"multipart/form-data; boundary=boundary; charset={charset}"}
    body = part("file", png(), "one.png") + b"--boundary--\r\n"
    response = two_tasks.post("/v1/tasks/cats/predict", content=body, headers=headers)
    assert response.json()["results"][0]["file"] == "one.png"
