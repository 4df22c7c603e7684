"""Teach: classes of images become a task that answers at once, and one that is trained."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from tests.console.support.browser import Console
from tests.service.support.processes import Server

SHAPES = ("circle", "square", "cross")


def drawn(shape: str, seed: int) -> bytes:
    """A shape somewhere on a plain ground."""
    image = Image.new("RGB", (48, 48), (20 + seed * 9, 60, 90))
    draw, (x, y) = ImageDraw.Draw(image), (4 + seed, 6 + seed % 3)
    if shape == "circle":
        draw.ellipse((x, y, x + 24, y + 24), fill="white")
    elif shape == "square":
        draw.rectangle((x, y, x + 22, y + 22), fill="white")
    else:
        draw.line((x, y, x + 24, y + 24), "white", 4)
        draw.line((x + 24, y, x, y + 24), "white", 4)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """15 images of three classes, with what a computer adds to an archive by itself."""
    path = tmp_path / "shapes.zip"
    with zipfile.ZipFile(path, "w") as file:
        for shape in SHAPES:
            for seed in range(5):
                kind = zipfile.ZIP_DEFLATED if seed % 2 else zipfile.ZIP_STORED
                file.writestr(f"shapes/{shape}/{seed}.png", drawn(shape, seed), kind)
        file.writestr("__MACOSX/shapes/circle/._0.png", b"")
        file.writestr("shapes/notes.txt", b"none")
    return path


@pytest.fixture
def taught(shown: Console, server: Server, archive: Path) -> Iterator[Console]:
    """A lesson of three classes, out of an archive."""
    shown.open("teach")
    shown.page.get_by_label("Name of the task").fill("shapes")
    shown.page.set_input_files("input[accept='.zip']", archive)
    shown.says("15 images in 3 classes.")
    yield shown
    with server.client() as client:
        client.delete("/v1/tasks/shapes")


def test_three_classes_of_an_archive_answer_at_once(taught: Console, server: Server) -> None:
    names = taught.page.locator(".class header input")
    assert [names.nth(at).input_value() for at in range(3)] == list(SHAPES)
    taught.press("Answer now")
    taught.says("shapes is live as version 1, from 15 images")
    taught.drop(".asking", "new.png", drawn("cross", 8))
    expect(taught.page.locator(".asking .ranking .label")).to_have_count(3)
    # What is taken away is forgotten, and what is renamed moves.
    taught.page.locator(".thumb").first.click()
    taught.says("from 14 images")
    names.nth(2).fill("x")
    names.nth(2).blur()
    taught.page.wait_for_timeout(300)
    with server.client() as client:
        taught.until("!document.querySelector('.step .primary').disabled")
        found = client.get("/v1/tasks/shapes/examples").json()["labels"]
    assert {each["label"]: each["count"] for each in found} == {"circle": 4, "square": 5, "x": 5}


def test_what_is_no_archive_is_refused(shown: Console, tmp_path: Path) -> None:
    shown.open("teach")
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4 but nothing more")
    shown.page.set_input_files("input[accept='.zip']", tmp_path / "broken.zip")
    shown.says("zip: expected an archive")


@pytest.mark.slow
def test_a_training_is_followed_and_published(taught: Console) -> None:
    taught.page.get_by_label("Method").select_option(label="linear head")
    taught.press("Train")
    taught.page.wait_for_url("**/#/teach/*")
    expect(taught.page.locator(".state.done")).to_be_visible(timeout=120_000)
    for text in ("with 95% confidence", "Confusion", "It took"):
        taught.says(text)
    taught.press("Publish")
    taught.agree("Publish")
    taught.says(re.compile(r"Published as version \d+ of shapes\."))
    taught.press("Delete")
    taught.agree("Delete")
    taught.says("None yet.")
