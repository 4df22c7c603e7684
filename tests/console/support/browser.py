"""Debian's Chromium, driven by Playwright, and what a page must not do in any test."""

import base64
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Route

CHROMIUM = shutil.which("chromium")

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # A camera that shows a test card, and that is always allowed.
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)

SECONDS = 20
"""Longest wait for what a page is to show."""

REFUSED_LOAD = "Failed to load resource: the server responded with a status of"
"""What the browser itself notes of an answer with an error; the page shows its sentence."""


def start(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


class Console:
    """The console in a tab of its own.

    Attributes:
        page: the tab.
        foreign: addresses on other hosts that it asked for; none is ever reached.
        complaints: what the browser noted against the page: errors, violations of its policy.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url.rstrip("/") + "/"
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        page.set_default_timeout(SECONDS * 1000)
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.route(lambda _: True, self._only_here)

    def open(self, place: str = "try") -> Self:
        """Show a view, `tasks/digits` for example."""
        self.page.goto(f"{self.url}#/{place}")
        self.page.wait_for_selector(".view > *")
        return self

    def drop(self, selector: str, name: str, data: bytes, media_type: str = "image/png") -> None:
        """Drop a file on an element."""
        self.page.wait_for_selector(selector)
        self.page.evaluate(
            """([selector, name, text, type]) => {
                const data = new DataTransfer();
                const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
                data.items.add(new File([bytes], name, { type }));
                for (const kind of ['dragenter', 'dragover', 'drop']) {
                    const options = { dataTransfer: data, bubbles: true, cancelable: true };
                    document.querySelector(selector).dispatchEvent(new DragEvent(kind, options));
                }
            }""",
            [selector, name, base64.b64encode(data).decode(), media_type],
        )

    def best(self, task: str) -> str:
        """The best label of a task's answer, once it is there."""
        return self.page.locator(f"[data-task='{task}'] .ranking .label").first.inner_text()

    def press(self, name: str, within: str = "body") -> None:
        """Press the button of this name, the first of them."""
        self.page.locator(within).get_by_role("button", name=name, exact=True).first.click()

    def agree(self, name: str) -> None:
        """Press the button of a dialog that agrees."""
        self.press(name, "dialog")
        self.page.wait_for_selector("dialog", state="detached")

    def says(self, text: str | re.Pattern[str]) -> None:
        """Wait until the page shows a text."""
        self.page.get_by_text(text).first.wait_for()

    def until(self, expression: str, seconds: float = SECONDS) -> None:
        """Wait until an expression holds in the page, whose policy forbids Playwright's own way."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, expression
            self.page.wait_for_timeout(50)

    def check(self) -> None:
        assert self.foreign == []
        assert self.complaints == []

    def _only_here(self, route: Route) -> None:
        address = route.request.url
        if urlsplit(address).netloc == urlsplit(self.url).netloc or address.startswith("blob:"):
            route.continue_()
        else:
            self.foreign.append(address)
            route.abort()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(REFUSED_LOAD):
            self.complaints.append(message.text)


@contextmanager
def console(browser: Browser, url: str, **options: Any) -> Iterator[Console]:
    """The console in a browser that knows nothing yet; at the end it must have kept to itself."""
    context = browser.new_context(**{"locale": "en-GB", **options})
    try:
        shown = Console(context.new_page(), url)
        yield shown
        shown.check()
    finally:
        context.close()


def picture(task: str, at: int = 0) -> Path:
    """A sample image of a builtin task."""
    from facet_vision.prompts_store import builtin

    return Path(str(builtin.samples(task)[at]))
