"""Try: images come in by every way, and every task's answer is shown."""

import json
import re

from playwright.sync_api import expect

from facet_vision.backbone import Backbone
from tests.console.support.browser import Console, picture
from tests.service.support.app import png, sure, task_file, upload
from tests.service.support.processes import Server


def test_a_dropped_image_gets_the_labels_of_every_task(shown: Console) -> None:
    shown.open()
    shown.drop(".stage", "six.png", picture("digits", 2).read_bytes())
    assert shown.best("digits") == "6"
    cards = shown.page.locator("article.card")
    expect(cards).to_have_count(6)
    expect(cards.locator(".stages")).to_have_count(6)
    assert re.search(r"version 1 · [\d.]+ m?s", cards.first.inner_text())
    for stage in ("decode", "queue", "forward"):
        assert stage in cards.first.inner_text()
    expect(shown.page.locator("#live")).to_contain_text("digits: 6")


def test_only_the_chosen_tasks_are_asked(shown: Console) -> None:
    asked = []
    shown.page.on(
        "request", lambda request: asked.append(request.url) if "/predict" in request.url else None
    )
    shown.open("try/letters")
    shown.page.set_input_files("input[type=file]", picture("letters", 2))
    assert shown.best("letters") == "R"
    expect(shown.page.locator("article.card")).to_have_count(1)
    assert len(asked) == 1
    shown.page.get_by_text("textures", exact=True).click()
    shown.best("textures")
    assert len(asked) == 2  # the answer that is there is not asked for again
    shown.press("None")
    expect(shown.page.locator("article.card")).to_have_count(0)
    shown.press("All")
    expect(shown.page.locator("article.card .stages")).to_have_count(6)


def test_an_image_can_be_pasted_photographed_or_a_sample(shown: Console) -> None:
    shown.open("try/digits")
    shown.page.evaluate(
        """async () => {
            const canvas = new OffscreenCanvas(20, 20);
            canvas.getContext('2d').fillRect(0, 0, 9, 9);
            const data = new DataTransfer();
            data.items.add(new File([await canvas.convertToBlob()], 'pasted.png'));
            document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }));
        }"""
    )
    expect(shown.page.locator(".stage img")).to_have_attribute("alt", "pasted.png")
    shown.best("digits")
    shown.press("Take photo")
    shown.until("document.querySelector('video')?.videoWidth > 0")
    shown.press("Take photo", "dialog")
    expect(shown.page.locator(".stage img")).to_have_attribute("alt", re.compile(r"photo-\d+\.jpg"))
    shown.best("digits")
    shown.page.locator(".thumb").first.click()
    expect(shown.page.locator(".stage img")).to_have_attribute("alt", "digits-0.png")
    shown.best("digits")


def test_what_a_task_does_not_know_is_none_of_these(
    shown: Console, server: Server, tiny: Backbone
) -> None:
    known, other = png(1), picture("count").read_bytes()
    file = sure(tiny, task_file(tiny, "sure", labels=["one", "two"]), [known, png(2)], 3)
    with server.client() as client:
        assert upload(client, file).status_code == 201
        try:
            shown.open("try/sure")
            shown.drop(".stage", "other.png", other)
            expect(shown.page.locator(".none")).to_contain_text("None of these")
            expect(shown.page.locator(".none")).to_contain_text("distance")
            expect(shown.page.locator(".ranking .best")).to_have_count(0)
            shown.drop(".stage", "known.png", known)
            expect(shown.page.locator(".ranking .best")).to_have_count(1)
            expect(shown.page.locator(".none")).to_have_count(0)
        finally:
            client.delete("/v1/tasks/sure").raise_for_status()


def test_what_is_no_image_is_refused_by_the_servers_sentence(shown: Console) -> None:
    shown.open("try/digits")
    shown.drop(".stage", "words.png", b"no image at all")
    expect(shown.page.locator("[data-task=digits] .error")).to_contain_text("expected")
    shown.says("The browser cannot show this format")


def test_attention_is_drawn_over_the_image(shown: Console) -> None:
    shown.open("try/digits")
    shown.page.set_input_files("input[type=file]", picture("digits", 2))
    painted = "document.querySelector('.stage canvas').toDataURL()"
    blank = shown.page.evaluate(painted)
    seen = [blank]
    for mode in ("With prompts", "Without"):
        shown.page.get_by_text(mode, exact=True).click()
        shown.until(f"!{json.dumps(seen)}.includes({painted})")
        seen.append(shown.page.evaluate(painted))
    shown.page.get_by_text("Off", exact=True).click()
    shown.until(f"{painted} === {json.dumps(blank)}")


def test_the_question_can_be_copied_for_other_clients(shown: Console) -> None:
    shown.open("try/digits")
    shown.drop(".stage", 'it\'s "six".png', picture("digits", 2).read_bytes())
    shown.best("digits")
    shown.press("Copy as …")
    code = shown.page.locator("dialog pre")
    expect(code).to_contain_text("curl -H 'Content-Type: image/png'")
    expect(code).to_contain_text("""@'it'\\''s "six".png'""")
    shown.page.get_by_text("Python", exact=True).click()
    expect(code).to_contain_text('client.predict(["digits"], Path("it\'s \\"six\\".png"))')
    shown.page.get_by_text("Open Inference Protocol").click()
    expect(code).to_contain_text("InferenceServerClient")
    compile(code.inner_text(), "copied", "exec")
    shown.press("Close", "dialog")
    expect(shown.page.get_by_role("button", name="Copy as …")).to_be_focused()
