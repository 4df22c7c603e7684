"""Chromium without a window, driven by its DevTools protocol over two pipes.

https://chromedevtools.github.io/devtools-protocol; messages end with a zero byte.
"""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

CHROMIUM = shutil.which("chromium")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

SECONDS = 60
"""Longest wait for what a page is to show."""

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)
"""No host but this one resolves."""


class Page:
    """A page of a browser; elements are named by selectors of CSS."""

    def __init__(self, requests: IO[bytes], answers: IO[bytes]) -> None:
        self._requests, self._answers = requests, answers
        self._unread = b""
        self._sent = 0
        self._session: dict[str, str] = {}
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        found = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """Return the value of an expression once it is true."""
        until = time.monotonic() + SECONDS
        while not (found := self.run(script)):
            assert time.monotonic() < until, f"{script}: {self.run('document.body.innerText')}"
            time.sleep(0.05)
        return found

    def text(self, selector: str) -> Any:
        """Return the text of an element once it has one."""
        return self.wait_for(f"{_element(selector)}?.innerText")

    def click(self, selector: str) -> None:
        self.wait_for(f"{_element(selector)} !== null")
        self.run(f"{_element(selector)}.click()")

    def type(self, selector: str, text: str) -> None:
        """Enter a text in place of what is there."""
        self.wait_for(f"{_element(selector)} !== null")
        self.run(f"{_element(selector)}.select()")
        self._call("Input.insertText", text=text)

    def close(self) -> None:
        self._session = {}
        self._call("Browser.close")

    def _call(self, method: str, **params: Any) -> Any:
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": params} | self._session
        self._requests.write(json.dumps(message).encode() + b"\0")
        self._requests.flush()
        while (answer := self._next()).get("id") != self._sent:
            pass  # an event
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self) -> Any:
        while b"\0" not in self._unread:
            more = self._answers.read(65536)
            assert more, "the browser has ended"
            self._unread += more
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)


def _element(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})"


@contextmanager
def page(folder: Path) -> Iterator[Page]:
    """A page of a new browser, which keeps its profile and its log in a folder."""
    folder.mkdir()
    assert CHROMIUM is not None
    (its_requests, requests), (answers, its_answers) = os.pipe(), os.pipe()
    # It reads from 3 and writes to 4, which must not be what either is copied from.
    moved = [_moved(its_requests), _moved(its_answers)]
    log = str(folder / "log"), os.O_WRONLY | os.O_CREAT, 0o600
    browser = os.posix_spawn(
        CHROMIUM,
        [CHROMIUM, *FLAGS, f"--user-data-dir={folder}"],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, moved[0], 3),
            (os.POSIX_SPAWN_DUP2, moved[1], 4),
            (os.POSIX_SPAWN_OPEN, 2, *log),
        ],
    )
    for each in moved:
        os.close(each)
    with os.fdopen(requests, "wb") as to, os.fdopen(answers, "rb", buffering=0) as back:
        found = Page(to, back)
        try:
            yield found
        finally:
            found.close()
            os.waitpid(browser, 0)


def _moved(descriptor: int) -> int:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved
