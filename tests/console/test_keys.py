"""Keys, two HTTP workers and a proxy's prefix: the page asks, shows, and is refused."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.console.support.browser import Console, picture
from tests.service.support.keys import Keys
from tests.service.support.processes import Server

Opened = Callable[..., Console]


def give(shown: Console, key: str) -> None:
    shown.page.get_by_role("dialog").get_by_label("API key").last.fill(key)
    shown.press("Use", "dialog")


def test_the_page_asks_for_a_key_and_shows_it(opened: Opened, guarded: Server, keys: Keys) -> None:
    shown = opened(f"{guarded.url}/facet")
    shown.page.goto(shown.url)
    expect(shown.page.get_by_role("dialog")).to_contain_text("This server asks for a key.")
    give(shown, "wrong")
    expect(shown.page.get_by_role("dialog")).to_contain_text("does not take this key")
    give(shown, keys.texts["camera"])
    shown.page.set_input_files("input[type=file]", picture("digits", 2))
    assert shown.best("digits") == "6"
    shown.press("Copy as …")
    code = shown.page.locator("dialog pre")
    expect(code).to_contain_text("/facet/v1/predict")
    expect(code).to_contain_text("$FACET_KEY")
    assert keys.texts["camera"] not in shown.page.content()


def test_what_a_key_may_not_do_is_refused_in_a_sentence(
    opened: Opened, guarded: Server, keys: Keys
) -> None:
    shown = opened(f"{guarded.url}/facet")
    shown.page.goto(f"{shown.url}#/tasks/digits")
    give(shown, keys.texts["camera"])
    shown.press("Retire")
    shown.agree("Retire")
    expect(shown.page.locator(".outcome .error")).to_contain_text("publish")
    shown.page.goto(f"{shown.url}#/health")
    expect(shown.page.locator(".error")).to_contain_text("admin")
    shown.press("Key")
    give(shown, keys.texts["root"])
    expect(shown.page.locator(".tile").first).to_contain_text("Answers per second")
    expect(shown.page.locator(".error")).to_have_count(0)


def test_the_key_ends_with_the_tab(opened: Opened, guarded: Server, keys: Keys) -> None:
    shown = opened(f"{guarded.url}/facet")
    shown.page.goto(shown.url)
    give(shown, keys.texts["root"])
    shown.page.locator(".chip").first.wait_for()
    shown.page.reload()
    shown.page.locator(".chip").first.wait_for()
    other = shown.page.context.new_page()
    other.goto(f"{shown.url}#/health")
    expect(other.get_by_role("dialog")).to_contain_text("This server asks for a key.")
    # Whoever gives none is not asked again by what the page reads from time to time.
    other.get_by_role("button", name="Cancel").click()
    expect(other.locator(".error")).to_contain_text("key")
    other.wait_for_timeout(2500)
    expect(other.get_by_role("dialog")).to_have_count(0)
