"""What the page must never do: run what it shows, grow, speak to others, or shut anybody out."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from facet_vision.service.http.views.console import FOLDER
from tests.console.support.browser import SECONDS, Console, picture
from tests.service.support.processes import Server

VIEWS = ("try", "tasks", "tasks/digits", "teach", "health")

MARKUP = (
    "<img src=x onerror=document.title='ran'>",
    "<script>document.title='ran'</script>",
    '"><svg onload=document.title=`ran`>',
    "javascript:document.title='ran'",
    "{{constructor.constructor('document.title=1')()}}",
    "&lt;b&gt; <b>bold</b>",
)

AXE = os.environ.get("AXE_CORE", "")

Opened = Callable[..., Console]


def test_labels_and_file_names_with_markup_are_shown_as_text(
    shown: Console, server: Server
) -> None:
    with server.client() as client:
        files = [("file", (f"{at}.png", picture("count", at % 3).read_bytes() + bytes(at)))
                 for at in range(len(MARKUP))]  # fmt: skip
        made = client.post("/v1/tasks/markup/examples", files=files, data={"label": list(MARKUP)})
        assert made.status_code == 201, made.text
    try:
        shown.open("try/markup")
        shown.drop(".stage", f"{MARKUP[0]}.png", picture("count").read_bytes())
        expect(shown.page.locator(".ranking .label")).to_have_count(5)
        expect(shown.page.locator(".stage img")).to_have_attribute("alt", f"{MARKUP[0]}.png")
        shown.press("Copy as …")
        shown.says("@'<img")
        shown.press("Close", "dialog")
        shown.open("tasks/markup")
        shown.page.locator("summary").click()
        texts = shown.page.locator(".labels li").all_inner_texts()
        assert sorted(texts) == sorted(MARKUP)
        shown.open("teach")
        shown.drop(".class", f"{MARKUP[2]}\u202e.png", picture("count").read_bytes())
        expect(shown.page.get_by_label(f"Remove {MARKUP[2]}\u202e.png")).to_be_visible()
        assert "ran" not in shown.page.title()
    finally:
        with server.client() as client:
            client.delete("/v1/tasks/markup")


def test_no_script_writes_markup() -> None:
    for file in FOLDER.glob("*.js"):
        forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
        assert not re.search(forbidden, file.read_text()), file


def test_a_page_left_open_does_not_grow(shown: Console) -> None:
    # Twenty minutes of readings, as fast as the page can take them: it never waits between two.
    shown.page.add_init_script(
        """
        const ask = window.fetch, answers = new Map(), later = window.setTimeout;
        window.readings = 0;
        window.fetch = async (url, options) => {
            const name = new URL(url).pathname;
            if (name !== '/metrics' && name !== '/v1/events') return ask(url, options);
            if (!answers.has(name)) answers.set(name, await (await ask(url, options)).text());
            if (name === '/metrics') window.readings += 1;
            return new Response(answers.get(name));
        };
        window.setTimeout = (work, time) => later(work, time === 2000 ? 0 : time);
        """
    )
    shown.open("health")
    developer = shown.page.context.new_cdp_session(shown.page)

    def held(readings: int) -> tuple[int, float]:
        shown.until(f"window.readings >= {readings}", 4 * SECONDS)
        for _ in range(3):  # what one pass finds, the next one frees
            developer.send("HeapProfiler.collectGarbage")
        heap = developer.send("Runtime.getHeapUsage")["usedSize"]
        return shown.page.evaluate("document.querySelectorAll('*').length"), heap

    elements, heap = held(100)
    later_elements, later_heap = held(600)
    assert later_elements == elements
    # 500 readings that were kept would be 15 MB; what the engine says of itself varies by half one.
    assert later_heap < heap + 1_000_000


def test_nothing_is_read_while_nobody_looks(shown: Console) -> None:
    asked: list[str] = []
    shown.page.on("request", lambda request: asked.append(request.url))
    shown.open("health")
    shown.page.locator(".tile strong", has_text=re.compile(r"\d")).first.wait_for()
    shown.page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
    shown.page.wait_for_timeout(500)
    asked.clear()
    shown.page.wait_for_timeout(4500)
    assert asked == []


def test_every_text_is_there_in_every_language(shown: Console) -> None:
    shown.open()
    names = """async () => {
        const shape = (value) => typeof value === 'object'
            ? Object.fromEntries(Object.entries(value).sort().map(([name, each]) => [name, shape(each)]))
            : typeof value === 'function' ? value.length : 'text';
        const languages = await Promise.all(['en', 'ko'].map((each) => import(`./console/texts.${each}.js`)));
        return languages.map((each) => JSON.stringify(shape(each.default)));
    }"""  # noqa: E501
    english, korean = shown.page.evaluate(names)
    assert english == korean


def test_the_browsers_language_is_spoken_until_another_is_chosen(
    opened: Opened, server: Server
) -> None:
    shown = opened(server.url, locale="ko-KR").open()
    expect(shown.page.locator("h1")).to_have_text("시험")
    assert shown.page.evaluate("document.documentElement.lang") == "ko"
    shown.page.locator("#language").select_option("en")
    expect(shown.page.locator("h1")).to_have_text("Try")
    shown.page.reload()
    expect(shown.page.locator("h1")).to_have_text("Try")


def test_the_keyboard_reaches_everything(shown: Console) -> None:
    shown.open()
    shown.page.keyboard.press("Tab")
    expect(shown.page.locator("#skip")).to_be_focused()
    shown.page.keyboard.press("Enter")
    expect(shown.page.locator("main")).to_be_focused()
    shown.page.locator("#nav a").nth(1).press("Enter")
    expect(shown.page.locator("h1")).to_have_text("Tasks")
    expect(shown.page.locator("main")).to_be_focused()
    expect(shown.page.locator("[aria-current=page]")).to_have_text("Tasks")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_fits_and_does_not_jump(
    opened: Opened, server: Server, width: int, scheme: str, tmp_path: Path
) -> None:
    size = {"width": width, "height": 900}
    shown = opened(server.url, viewport=size, color_scheme=scheme, reduced_motion="reduce")
    for view in VIEWS:
        shown.open(view)
        shown.page.wait_for_timeout(300)
        shown.page.screenshot(path=tmp_path / f"{view.replace('/', '-')}.png", full_page=True)
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= width, view
    shown.open("try/digits")
    shown.page.evaluate(
        """() => new PerformanceObserver((list) => {
            for (const { value } of list.getEntries()) window.moved = (window.moved ?? 0) + value;
        }).observe({ type: 'layout-shift' })"""
    )
    shown.drop(".stage", "six.png", picture("digits", 2).read_bytes())
    shown.best("digits")
    shown.page.wait_for_timeout(200)
    assert shown.page.evaluate("window.moved ?? 0") < 0.1


@pytest.mark.skipif(not AXE, reason="AXE_CORE names no axe.min.js (npm install axe-core)")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(opened: Opened, server: Server, scheme: str) -> None:
    shown = opened(server.url, color_scheme=scheme)
    for view in VIEWS:
        shown.open(view)
        if view == "try":
            shown.drop(".stage", "six.png", picture("digits", 2).read_bytes())
            shown.best("digits")
        shown.page.evaluate(Path(AXE).read_text())
        found = shown.page.evaluate("axe.run()")["violations"]
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        assert not serious, (view, [(each["id"], each["nodes"][0]["html"]) for each in serious])
