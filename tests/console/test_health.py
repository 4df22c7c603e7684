"""Health: numbers that move, and who changed what."""

import re

from playwright.sync_api import expect

from tests.console.support.browser import Console, picture
from tests.service.support.processes import Server


def test_the_numbers_follow_the_server(shown: Console, server: Server) -> None:
    image = picture("digits").read_bytes()
    with server.client() as client:
        client.post("/v1/tasks/digits/predict", content=image).raise_for_status()
        client.post("/v1/tasks/digits/predict", content=b"none")
        shown.open("health")
        for name in ("Answers per second", "Median of requests", "Images in a batch", "Evictions"):
            tile = shown.page.locator(".tile").filter(has=shown.page.get_by_text(name, exact=True))
            expect(tile.locator("strong")).to_have_text(re.compile(r"\d"))
        expect(shown.page.locator("tr", has_text="bad-image")).to_have_text(
            re.compile("bad-image[1-9]")
        )
        number = shown.page.locator(".tile strong").first
        expect(number).to_have_text("0", timeout=10_000)
        with shown.page.expect_response("**/metrics"):
            pass
        client.post("/v1/tasks/digits/predict", content=image).raise_for_status()
        expect(number).not_to_have_text("0", timeout=10_000)


def test_the_last_changes_say_who(shown: Console, server: Server) -> None:
    with server.client() as client:
        client.put("/v1/tasks/digits/live", json={"version": 1}).raise_for_status()
    shown.open("health")
    expect(shown.page.locator(".history li").first).to_contain_text(re.compile("builtin|http:"))
