"""The page that shows the document: from this server alone, with keys or without."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.service.support.keys import Keys
from tests.service.support.processes import small_server

CHROMIUM = shutil.which("chromium")


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


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize("keys", [False, True], ids=["open", "keys"])
def test_a_browser_shows_it(tmp_path: Path, keys: bool) -> None:
    settings = {"http_workers": 1, "root_path": "/vision"}
    if keys:
        file = Keys(tmp_path / "keys.json")
        file.add("root")
        settings["keys_file"] = file.path
    with small_server(tmp_path / "store", **settings) as server:
        assert CHROMIUM is not None
        # Scripts, styles and the document come through an HTTP worker; no other host resolves.
        shown = subprocess.run(
            [
                *(
                    CHROMIUM,
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-dev-shm-usage",
                ),
                f"--user-data-dir={tmp_path / 'browser'}",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
                *("--virtual-time-budget=10000", "--dump-dom", f"{server.url}/docs"),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
    assert ('id="ask" hidden' not in shown) is keys
    assert ("Ask one task" in shown) is not keys
