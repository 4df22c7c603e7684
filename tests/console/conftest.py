"""A server on the embedded backbone, another with keys behind a proxy's prefix, and a browser."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from facet_vision.backbone import Backbone, load
from tests.service.support.keys import Keys
from tests.service.support.processes import Server, command

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Browser, sync_playwright

from tests.console.support.browser import CHROMIUM, Console, console, start

SETTINGS = {"port": 0, "device": "cpu", "engine_threads": 1, "training_priority": "normal"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="chromium is not installed"))


# Not for the session: while Playwright runs, its event loop is this thread's, and no other can be.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        shown = start(playwright)
        yield shown
        shown.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One process, without keys."""
    store = tmp_path_factory.mktemp("server") / "store"
    with command("-m", "facet_vision", "serve", store=store, **SETTINGS) as process:
        yield process


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    made = Keys(tmp_path_factory.mktemp("keys") / "keys.json")
    made.add("root")
    made.add("camera", "infer")
    return made


@pytest.fixture(scope="session")
def guarded(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two HTTP workers, with keys, behind a prefix."""
    store = tmp_path_factory.mktemp("guarded") / "store"
    options = {"http_workers": 2, "root_path": "/facet", "keys_file": keys.path}
    with command("-m", "facet_vision", "serve", store=store, **options, **SETTINGS) as process:
        yield process


@pytest.fixture
def shown(browser: Browser, server: Server) -> Iterator[Console]:
    """The console of the server without keys."""
    with console(browser, server.url) as shown:
        yield shown


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Console]]:
    """Opens consoles: of a server, with options of the browser."""
    with ExitStack() as stack:

        def open_one(url: str, **options: Any) -> Console:
            return stack.enter_context(console(browser, url, **options))

        yield open_one


@pytest.fixture(scope="session")
def tiny() -> Backbone:
    return load("facet-tiny", device="cpu")
