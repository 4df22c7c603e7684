"""The console's files, as any server sends them: whole, small, and safe in a browser."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from facet_vision.service.http.views.console import FOLDER, HEADERS, TYPES
from tests.service.support.keys import Keys
from tests.service.support.processes import small_server

MOST_BYTES = 120_000
"""What a phone on a slow line loads at the first visit, before compression."""

FILES = sorted(FOLDER.iterdir())
PLACES = {"/" if file.name == "index.html" else f"/console/{file.name}": file for file in FILES}


def check(client: httpx.Client, prefix: str = "") -> None:
    """Every file is there, with the headers that a browser needs to be careful."""
    for place, file in PLACES.items():
        answer = client.get(f"{prefix}{place}", follow_redirects=False)
        assert answer.status_code == 200, place
        assert answer.content == file.read_bytes()
        assert answer.headers["content-type"] == TYPES[file.suffix]
        assert HEADERS.items() <= {name: answer.headers[name] for name in HEADERS}.items()
        bare = client.head(f"{prefix}{place}")
        assert bare.status_code == 200
        assert bare.content == b""
        assert bare.headers["etag"] == answer.headers["etag"]
        again = client.get(f"{prefix}{place}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == answer.headers["etag"]


def test_the_folder_is_small_and_every_file_of_it_is_served() -> None:
    assert all(file.is_file() for file in FILES)
    assert {file.suffix for file in FILES} <= set(TYPES)
    assert sum(file.stat().st_size for file in FILES) < MOST_BYTES


@pytest.mark.parametrize("prefix", ["", "/facet", "/a/b"])
def test_every_file_is_found_under_the_prefix(
    serve: Callable[..., TestClient], prefix: str
) -> None:
    client = serve(root_path=prefix)
    check(client, prefix)
    check(client)  # a proxy may take the prefix off
    assert client.get(f"{prefix}/console/nothing.js").status_code == 404
    assert client.get(f"{prefix}/console/index.html").status_code == 404
    assert client.post(f"{prefix}/").status_code == 405


def test_without_the_slash_a_browser_is_sent_to_the_page(
    serve: Callable[..., TestClient], tmp_path: Path
) -> None:
    keys = Keys(tmp_path / "keys.json")
    keys.add("root")
    client = serve(root_path="/facet", keys_file=keys.path)
    answer = client.get("/facet", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "http://localhost/facet/")
    assert client.get("/facets").status_code == 401


def test_a_client_that_takes_only_json_gets_the_page_and_no_redirect(client: TestClient) -> None:
    answer = client.get("/", headers={"Accept": "application/json"}, follow_redirects=False)
    assert answer.status_code == 200
    assert "<title>Facet" in answer.text


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1.0, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, br", False),
        ("br", False),
        ("", False),
    ],
)
def test_it_is_compressed_where_that_is_asked_for(
    client: TestClient, accepted: str, compressed: bool
) -> None:
    answer = client.get("/", headers={"Accept-Encoding": accepted})
    assert ("content-encoding" in answer.headers) == compressed
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.content == PLACES["/"].read_bytes()  # the client has decompressed it
    with client.stream("GET", "/", headers={"Accept-Encoding": accepted}) as raw:
        sent = b"".join(raw.iter_raw())
    assert (sent[:2] == b"\x1f\x8b") == compressed
    assert (gzip.decompress(sent) if compressed else sent) == PLACES["/"].read_bytes()


def test_the_policy_lets_a_browser_load_from_this_server_only(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["img-src"].removesuffix(" blob:") == "'self'"
    sources = {source for rule in rules.values() for source in rule.split()}
    assert sources == {"'self'", "'none'", "blob:"}
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"


def test_every_link_of_the_page_is_relative_and_leads_somewhere(client: TestClient) -> None:
    links = re.findall(r'(?:src|href)="([^"#]+)"', PLACES["/"].read_text())
    assert links
    for link in links:
        assert not re.match(r"/|[a-z]+:", link), link
        assert client.get(f"/{link}").status_code == 200


def test_a_browser_that_asks_for_an_icon_is_told_that_there_is_none(client: TestClient) -> None:
    assert client.get("/favicon.ico").status_code == 204
    assert client.head("/favicon.ico").status_code == 204


def test_http_workers_serve_it_with_keys_and_behind_a_prefix(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json")
    keys.add("root")
    settings = {"http_workers": 2, "root_path": "/facet", "keys_file": keys.path}
    with small_server(tmp_path / "store", **settings) as server:
        for _ in range(4):  # each client has a connection of its own, to whichever worker takes it
            with server.client() as client:
                check(client, "/facet")
                assert client.get("/facet/favicon.ico").status_code == 204
                assert client.get("/facet/v1/tasks").status_code == 401
