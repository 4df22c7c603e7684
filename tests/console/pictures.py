"""The pictures of README, from a real run.

python -m tests.console.pictures FOLDER
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.console.support.browser import Console, console, picture, start
from tests.service.support.processes import command

SIZE = {"width": 1280, "height": 860}


def keep(screenshot: bytes, path: Path) -> None:
    """Write it in 256 colours, which is a third of the bytes."""
    Image.open(io.BytesIO(screenshot)).convert("RGB").quantize(256).save(path, optimize=True)


def take(shown: Console, folder: Path) -> None:
    page = shown.open("try").page
    page.set_input_files("input[type=file]", picture("letters", 2))
    page.locator(".segments").get_by_text("With prompts").click()
    page.get_by_label("Task whose attention is shown").select_option("letters")
    page.locator(".card .stages").nth(5).wait_for()
    page.wait_for_timeout(1500)
    keep(page.screenshot(), folder / "try.png")
    shown.open("teach")
    page.get_by_label("Name of the task").fill("letter-or-solid")
    for at, (label, task) in enumerate([("letter", "letters"), ("solid", "count")]):
        page.locator(".class header input").nth(at).fill(label)
        images = [picture(task, each) for each in range(2)]
        page.locator(".class input[type=file]").nth(at).set_input_files(images)
    shown.press("Answer now")
    page.set_input_files(".asking input[type=file]", picture("letters", 2))
    page.locator(".asking .stages").wait_for()
    page.wait_for_timeout(500)
    keep(page.screenshot(full_page=True), folder / "teach.png")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with (
        tempfile.TemporaryDirectory() as store,
        command("-m", "facet_vision", "serve", store=store, port=0, device="cpu") as server,
        sync_playwright() as playwright,
        console(start(playwright), server.url, viewport=SIZE) as shown,
    ):
        take(shown, folder)
