"""Tasks: what is served, uploads and their refusals, and going back to an older version."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import expect

from facet_vision.backbone import Backbone
from tests.console.support.browser import Console, picture
from tests.service.support.app import task_file, upload
from tests.service.support.processes import Server

NUMBERS = count()
"""What makes a task's name, so that every test has a task without a past."""


def version(tiny: Backbone, task: str, number: int) -> bytes:
    """A task file that answers `v<number>` whatever it is shown."""
    bias = [20.0 * (each == number) for each in range(4)]
    return task_file(tiny, task, labels=["v0", "v1", "v2", "v3"], bias=bias).to_bytes()


@pytest.fixture
def parts(server: Server, tiny: Backbone) -> Iterator[str]:
    """A task with two versions, which answer `v1` and `v2`; the second is live."""
    task = f"parts-{next(NUMBERS)}"
    with server.client() as client:
        for number in (1, 2):
            upload(client, version(tiny, task, number)).raise_for_status()
        yield task
        client.delete(f"/v1/tasks/{task}")


def test_every_task_is_listed_with_what_it_answers_now(shown: Console, server: Server) -> None:
    shown.open("tasks")
    row = shown.page.locator("tr", has_text="digits")
    expect(row).to_contain_text("99.2%")
    for text in ("version 1", "vpt-deep"):
        expect(row).to_contain_text(text)
    shown.page.get_by_label("Filter").fill("handwritten")
    expect(shown.page.locator("tbody tr")).to_have_count(1)
    with server.client() as client:
        # The first reading is what was counted before.
        for _ in range(2):
            with shown.page.expect_response("**/v2/models/stats"):
                image = picture("digits").read_bytes()
            client.post("/v1/tasks/digits/predict", content=image).raise_for_status()
    expect(shown.page.locator(".sparkcell").nth(1)).to_contain_text("ms", timeout=15_000)


def test_rolling_back_takes_a_click_and_a_confirmation(shown: Console, parts: str) -> None:
    shown.open(f"tasks/{parts}")
    row = shown.page.locator("tr[data-version='1']")
    row.get_by_role("button", name="Roll back").click()
    expect(shown.page.locator("dialog")).to_contain_text("in place of version 2")
    shown.page.keyboard.press("Escape")
    expect(shown.page.locator("tr.live")).to_have_attribute("data-version", "2")
    row.get_by_role("button", name="Roll back").click()
    shown.agree("Roll back")
    shown.says(f"Version 1 of {parts} is live.")
    expect(shown.page.locator("tr.live")).to_have_attribute("data-version", "1")
    expect(shown.page.locator(".history li").first).to_contain_text("version 1 made live")
    shown.open(f"try/{parts}")
    shown.page.set_input_files("input[type=file]", picture("digits"))
    assert shown.best(parts) == "v1"


def test_a_version_can_be_downloaded_and_deleted(
    shown: Console, parts: str, tiny: Backbone
) -> None:
    shown.open(f"tasks/{parts}")
    row = shown.page.locator("tr[data-version='1']")
    with shown.page.expect_download() as coming:
        row.get_by_role("button", name="Download").click()
    assert coming.value.suggested_filename == f"{parts}-v1.safetensors"
    assert Path(coming.value.path()).read_bytes() == version(tiny, parts, 1)
    row.get_by_role("button", name="Delete").click()
    shown.agree("Delete")
    shown.says("Version 1 is deleted.")
    expect(row).to_have_count(0)


def test_two_versions_are_compared_on_dropped_images(shown: Console, parts: str) -> None:
    shown.open(f"tasks/{parts}")
    shown.drop("section[aria-label^=Compare] .dropzone", "a.png", picture("count").read_bytes())
    shown.says("The same label for 0 of 1 image.")
    cells = shown.page.locator("tr.differs td")
    expect(cells.nth(0)).to_contain_text("v2")
    expect(cells.nth(1)).to_contain_text("v1")
    shown.page.get_by_label("Version 2 of the comparison").select_option(label="version 2")
    shown.says("The same label for 1 of 1 image.")


def test_a_task_can_be_retired_and_activated_again(shown: Console, parts: str) -> None:
    shown.open(f"tasks/{parts}")
    shown.press("Retire")
    shown.agree("Retire")
    shown.says(f"{parts} is out of service.")
    shown.page.locator("tr[data-version='2']").get_by_role("button", name="Activate").click()
    shown.agree("Activate")
    expect(shown.page.locator("tr.live")).to_have_attribute("data-version", "2")


def test_a_dropped_task_file_is_uploaded_under_the_name_it_proposes(
    shown: Console, parts: str, tiny: Backbone
) -> None:
    shown.open("tasks")
    shown.drop(".dropzone", f"{parts}-v3.safetensors", version(tiny, parts, 3))
    expect(shown.page.get_by_label("Name of the task")).to_have_value(parts)
    shown.press("Upload")
    shown.says(f"{parts} has version 3, which is live.")
    shown.drop(".dropzone", "x.safetensors", b"\x08\0\0\0\0\0\0\0no file.")
    shown.page.get_by_label("Name of the task").fill(parts)
    shown.press("Upload")
    expect(shown.page.locator(".dropzone .error")).to_contain_text("header: expected")
