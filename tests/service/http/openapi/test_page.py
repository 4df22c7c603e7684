"""The page that shows the document: from this server alone, with keys or without."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.service.support.browser import Page, needs_chromium, page
from tests.service.support.keys import Keys
from tests.service.support.processes import small_server


def files_of(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="(?!data:)([^"]*)"', page)


@pytest.mark.parametrize("prefix", ["", "/vision", "/a/b"])
def test_every_file_is_found_beside_the_page(serve: Callable[..., TestClient], prefix: str) -> None:
    client = serve(root_path=prefix)
    page = client.get(f"{prefix}/docs")
    assert page.headers["content-type"].startswith("text/html")
    files = files_of(page.text)
    assert len(files) == 4
    for file in files:
        answer = client.get(f"{prefix}/{file}")
        assert answer.status_code == 200
        kind = {"js": "text/javascript", "css": "text/css"}[file.rpartition(".")[2]]
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_and_our_script_name_no_other_host(client: TestClient) -> None:
    for path in ("/docs", "/docs/page.js", "/docs/page.css"):
        assert "//" not in re.sub(r"(?m)^ *// .*", "", client.get(path).text), path


def test_the_policy_lets_a_browser_load_from_this_server_only(client: TestClient) -> None:
    policy = client.get("/docs").headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    sources = {source for rule in rules.values() for source in rule.split()}
    assert sources == {"'none'", "'self'", "'unsafe-inline'", "data:"}
    assert [name for name, rule in rules.items() if "'unsafe-inline'" in rule] == ["style-src"]


def test_there_is_no_page_that_needs_a_network(client: TestClient) -> None:
    for path in ("/redoc", "/docs/oauth2-redirect", "/docs/other.js", "/docs/page.html"):
        assert client.get(path).status_code == 404


SETTINGS = {"http_workers": 1, "root_path": "/vision"}
"""Scripts, styles and the document come through an HTTP worker."""


@needs_chromium
def test_a_browser_shows_it_without_keys(tmp_path: Path) -> None:
    with (
        small_server(tmp_path / "store", **SETTINGS) as server,
        page(tmp_path / "browser") as shown,
    ):
        shown.open(f"{server.url}/docs")
        assert "Ask one task" in shown.text(".swagger-ui .opblock-tag-section")
        assert shown.run("document.querySelector('#ask').hidden")


CALL = "#operations-tasks-list_tasks_v1_tasks_get"
DIALOG = ".auth-wrapper .authorize"


def status(shown: Page) -> str:
    """The status of the call, which is made again."""
    shown.click(f"{CALL} .execute")
    found = shown.text(f"{CALL} .live-responses-table tbody .response-col_status")
    shown.click(f"{CALL} .btn-clear")
    return str(found).strip()


@needs_chromium
def test_calls_of_the_page_show_the_key_that_was_entered(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json")
    keys.add("root")
    with (
        small_server(tmp_path / "store", keys_file=keys.path, **SETTINGS) as server,
        page(tmp_path / "browser") as shown,
    ):
        shown.open(f"{server.url}/docs")
        for text in ("wrong", keys.texts["root"]):
            shown.type("#ask:not([hidden]) #key", text)
            shown.click("#ask button")
            if text == "wrong":
                assert "one that is unknown, revoked or expired" in shown.text("#refused")
        for button in (".opblock-summary-control", ".try-out__btn"):
            shown.click(f"{CALL} {button}")
        assert status(shown) == "200"
        for button in (DIALOG, "[aria-label='Remove authorization']", ".close-modal"):
            shown.click(button)
        assert status(shown) == "401"
        shown.click(DIALOG)
        shown.type("#auth-bearer-value", keys.texts["root"])
        for button in ("[aria-label='Apply credentials']", ".close-modal"):
            shown.click(button)
        assert status(shown) == "200"
