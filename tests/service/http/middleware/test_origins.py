"""Names under which the server may be asked, and pages that may change something."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from facet_vision.service.settings import Settings, SettingsError, read_settings

Serve = Callable[..., TestClient]


def status(client: TestClient, host: str, path: str = "/v1/tasks") -> int:
    return client.get(path, headers={"Host": host}).status_code


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8000", "LOCALHOST.", "127.0.0.1:9", "127.8.8.8"),
        *("[::1]", "[::1]:8000", "facet.localhost"),
    ],
)
def test_loopback_names_are_served_on_loopback(client: TestClient, host: str) -> None:
    assert status(client, host) == 200


@pytest.mark.parametrize(
    "host",
    [
        *("rebound.example", "rebound.example:8000", "localhost.rebound.example", "10.0.0.7"),
        *("notlocalhost", "127.0.0.1.rebound.example", "[2001:db8::1]"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/tasks", "/metrics", "/livez", "/docs", "/nothing"])
def test_another_name_gets_nothing_on_loopback(client: TestClient, host: str, path: str) -> None:
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:facet:problem:unknown-host"
    assert "FACET_ALLOWED_HOSTS" in answer.json()["detail"]


@pytest.mark.parametrize("host", ["", "a b", "user@localhost", "localhost:http", "[::1", "é"])
def test_what_names_no_host_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/livez", headers={"Host": host.encode()}).status_code == 400


def test_two_hosts_are_refused(client: TestClient) -> None:
    headers = [("Host", "localhost"), ("Host", "rebound.example")]
    assert client.get("/livez", headers=headers).status_code == 400


def test_allowed_hosts_are_served_besides(serve: Serve) -> None:
    client = serve(allowed_hosts="vision.example.org, *.internal")
    for host in ("vision.example.org:443", "Vision.Example.Org", "a.b.internal", "localhost"):
        assert status(client, host) == 200
    for host in ("example.org", "x.vision.example.org", "internal", "10.0.0.7"):
        assert status(client, host) == 421


def test_beyond_loopback_any_name_is_served_until_names_are_given(serve: Serve) -> None:
    everywhere = {"host": "0.0.0.0", "trust_network": True}
    assert status(serve(**everywhere), "anything.example") == 200
    named = serve(**everywhere, allowed_hosts="vision.example.org")
    assert status(named, "anything.example") == 421
    # A kubelet and Prometheus ask by address.
    for host in ("vision.example.org", "10.0.0.7:8000", "[2001:db8::1]:8000", "localhost"):
        assert status(named, host) == 200
    assert status(serve(**everywhere, allowed_hosts="*"), "anything.example") == 200


CHANGES = [
    ("POST", "/v1/tasks/pets/versions"),
    ("PUT", "/v1/tasks/pets/live"),
    ("DELETE", "/v1/tasks/pets"),
    ("DELETE", "/v1/tasks/pets/versions/1"),
    ("POST", "/v1/tasks/pets/predict"),
    ("POST", "/v1/predict"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://rebound.example"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
        {"Origin": "http://localhost.rebound.example"},
        {"Origin": "http://[::1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_of_another_site_changes_nothing(
    client: TestClient, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = client.request(method, path, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:facet:problem:foreign-origin"


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost", "http://localhost"),
        ("localhost:8000", "http://localhost:8000"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("vision.example.org", "https://vision.example.org"),
        ("localhost:8000", "https://vision.example.org:8443"),
    ],
)
def test_the_servers_own_pages_do(serve: Serve, host: str, origin: str) -> None:
    client = serve(allowed_hosts="vision.example.org")
    headers = {"Host": host, "Origin": origin, "Sec-Fetch-Site": "same-origin"}
    assert client.delete("/v1/tasks/none", headers=headers).status_code == 404


def test_other_pages_may_link_here(client: TestClient) -> None:
    headers = {"Origin": "https://blog.example", "Sec-Fetch-Site": "cross-site"}
    assert client.get("/docs", headers=headers).status_code == 200


@pytest.mark.parametrize("names", ["http://a.example", "a.example:80", "a b", "*.*", "a/b"])
def test_what_is_no_name_is_no_allowed_host(names: str) -> None:
    with pytest.raises(SettingsError, match="allowed_hosts: expected names without ports"):
        read_settings({"allowed_hosts": names}, {})


def test_names_are_compared_in_lower_case() -> None:
    assert Settings(allowed_hosts="A.example,, *.B ").host_patterns == ("a.example", "*.b")
