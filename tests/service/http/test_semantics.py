"""What HTTP promises of every path: HEAD, Allow, conditions, strict parameters, prefixes."""

import re
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.service.http.error_forms import form_of
from facet_vision.service.settings import SettingsError, read_settings
from tests.service.support.app import ask, assert_problem, png, task_file, upload

READABLE = [
    *("/livez", "/readyz", "/metrics", "/docs", "/openapi.json"),
    *("/v1/tasks", "/v1/tasks/pets", "/v1/tasks/pets/versions/1"),
]


@pytest.fixture
def pets(client: TestClient, small: Backbone) -> TestClient:
    assert upload(client, task_file(small, "pets")).status_code == 201
    return client


@pytest.mark.parametrize("path", READABLE)
def test_head_is_get_without_the_body(pets: TestClient, path: str) -> None:
    got, headed = pets.get(path), pets.head(path)
    assert (got.status_code, headed.status_code) == (200, 200)
    assert got.content
    assert headed.content == b""
    for name in ("content-type", "etag", "cache-control"):
        assert got.headers.get(name) == headed.headers.get(name)
    if path != "/metrics":
        assert got.headers["content-length"] == headed.headers["content-length"]


def test_head_is_counted_with_its_route(pets: TestClient) -> None:
    pets.head("/v1/tasks/pets")
    line = 'facet_requests_total{method="HEAD",route="/v1/tasks/{task}",status="200"} 1.0'
    assert line in pets.get("/metrics").text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/tasks", "GET, HEAD"),
        ("PATCH", "/v1/tasks/pets", "GET, HEAD, DELETE"),
        ("OPTIONS", "/v1/tasks/pets", "GET, HEAD, DELETE"),
        ("GET", "/v1/tasks/pets/live", "PUT"),
        ("HEAD", "/v1/tasks/pets/live", "PUT"),
        ("GET", "/v1/predict", "POST"),
        ("GET", "/v1/tasks/pets/predict", "POST"),
        ("GET", "/v1/tasks/pets/versions", "POST"),
        ("POST", "/v1/tasks/pets/versions/1", "GET, HEAD, DELETE"),
        ("DELETE", "/livez", "GET, HEAD"),
    ],
)
def test_allow_lists_every_method(pets: TestClient, method: str, path: str, allowed: str) -> None:
    answer = pets.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed


def test_conditions_are_compared_weakly(pets: TestClient) -> None:
    path = "/v1/tasks/pets/versions/1"
    etag = pets.get(path).headers["etag"]
    for condition in (etag, f"W/{etag}", f'"x", W/{etag}', "*", f'"x" , {etag}'):
        answer = pets.get(path, headers={"If-None-Match": condition})
        assert answer.status_code == 304, condition
        assert answer.headers["etag"] == etag
    for condition in ('"x"', etag.strip('"'), "", '"*"'):
        assert pets.get(path, headers={"If-None-Match": condition}).status_code == 200, condition


def test_conditions_in_several_fields_all_count(pets: TestClient) -> None:
    path = "/v1/tasks/pets/versions/1"
    etag = pets.get(path).headers["etag"]
    headers = [("If-None-Match", '"x"'), ("If-None-Match", etag)]
    assert pets.get(path, headers=headers).status_code == 304  # type: ignore[arg-type]


@pytest.mark.parametrize("body", ["true", '"1"', "1.0", "1e0", "null", "[1]", "01", "0", "1_0"])
def test_only_a_whole_number_is_a_version(pets: TestClient, body: str) -> None:
    content = f'{{"version": {body}}}'
    answer = pets.put("/v1/tasks/pets/live", content=content)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("text", ["+1", "000001", "1_0", "١", "1.0", " 1", "1e0", "-1", "0x1"])
def test_only_plain_digits_are_a_number(pets: TestClient, text: str) -> None:
    for method in ("GET", "DELETE"):
        assert pets.request(method, f"/v1/tasks/pets/versions/{text}").status_code == 422
    assert_problem(pets.get("/v1/tasks", params={"limit": text}), 422, "limit")
    assert_problem(ask(pets, "pets", top_k=text), 422, "top_k")


@pytest.mark.parametrize(
    ("method", "path", "known"),
    [
        ("GET", "/v1/tasks", "after, limit"),
        ("GET", "/v1/tasks/pets", "no query parameter"),
        ("GET", "/v1/tasks/pets/versions/1", "no query parameter"),
        ("DELETE", "/v1/tasks/pets", "no query parameter"),
        ("DELETE", "/v1/tasks/pets/versions/1", "no query parameter"),
        ("POST", "/v1/tasks/pets/versions", "activate"),
        ("POST", "/v1/tasks/pets/predict", ""),
        ("POST", "/v1/predict", ""),
    ],
)
def test_an_unknown_parameter_is_refused(
    pets: TestClient, method: str, path: str, known: str
) -> None:
    answer = pets.request(method, path, params={"topk": "3"}, content=png())
    assert_problem(answer, 422, "topk", known)
    assert pets.get("/v1/tasks/pets").json()["state"] == "live"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/tasks?limit=1&limit=2"),
        ("POST", "/v1/tasks/pets/predict?top_k=1&top_k=2"),
        ("POST", "/v1/tasks/pets/versions?activate=true&activate=false"),
    ],
)
def test_a_parameter_that_is_given_twice_is_refused(
    pets: TestClient, method: str, path: str
) -> None:
    name = path.partition("?")[2].partition("=")[0]
    assert_problem(pets.request(method, path), 422, f"{name}: expected one value")


@pytest.mark.parametrize("text", ["1_000", " 10", "+5", "1e", ".5", "0x10", "nan"])
def test_a_time_is_a_number_as_in_json(pets: TestClient, text: str) -> None:
    assert_problem(ask(pets, "pets", timeout_ms=text), 422, "timeout_ms")
    assert ask(pets, "pets", timeout_ms="3e4").status_code == 200


@pytest.mark.parametrize(
    ("query", "place"), [("query=1", "query"), ("path=1", "path"), ("x" * 900, "x" * 80 + "…")]
)
def test_the_fault_is_named_as_it_was_sent(pets: TestClient, query: str, place: str) -> None:
    assert_problem(pets.get(f"/v1/tasks?{query}"), 422, f"{place}: expected one of after, limit")


@pytest.mark.parametrize(
    "path", ["/v1/tasks/%00%0A%09x", "/v1/tasks/a%3Fb%23c", "/nothing/%E2%82%AC"]
)
def test_the_instance_of_a_problem_is_the_path_as_in_the_url(pets: TestClient, path: str) -> None:
    assert pets.get(path).json()["instance"] == path


def test_a_host_that_is_none_is_told_with_the_path(pets: TestClient) -> None:
    response = pets.get("/v1/tasks", headers={"Host": "["})
    assert_problem(response, 400, "host")
    assert response.json()["instance"] == "/v1/tasks"


def test_a_path_of_any_length_has_a_short_sentence(pets: TestClient) -> None:
    response = pets.get("/" + "a" * 5000)
    assert_problem(response, 404, "nothing at")
    assert len(response.json()["detail"]) < 120


def test_numbers_and_names_are_documented_with_their_bounds(pets: TestClient) -> None:
    paths = pets.get("/openapi.json").json()["paths"]
    schemas = {
        (path, parameter["name"]): parameter["schema"]
        for path, operations in paths.items()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
    }
    for (path, name), schema in schemas.items():
        assert not {"ge", "le", "gt", "lt"} & set(schema), (path, name)
        if name == "task":
            assert schema["maxLength"] == 128
            for text in ("a", "a.b", "A-1_", "a."):
                assert re.search(schema["pattern"], text)
            for text in ("", "a..b", ".a", "a/b", "-a", "é"):
                assert not re.search(schema["pattern"], text)
    limit = schemas["/v1/tasks", "limit"]
    version = schemas["/v1/tasks/{task}/versions/{version}", "version"]
    assert (limit["minimum"], limit["maximum"]) == (1, 1000)
    assert (version["minimum"], version["maximum"]) == (1, 999_999_999)
    assert schemas["/v1/predict", "timeout_ms"]["exclusiveMinimum"] == 0
    assert schemas["/v1/predict", "timeout_ms"]["type"] == "number"


def test_probes_and_metrics_take_what_monitors_add(pets: TestClient) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        assert pets.get(path, params={"from": "monitor"}).status_code == 200


def test_problems_are_documented_as_what_they_are(pets: TestClient) -> None:
    document = pets.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if status.startswith(("4", "5")) and path not in ("/livez", "/readyz"):
                    assert list(response["content"]) == [form_of(path).media_type], path


def test_behind_a_prefix(serve: Callable[..., TestClient], small: Backbone) -> None:
    client = serve(root_path="/vision")
    made = upload(client, task_file(small, "pets"))
    assert made.headers["location"] == "/vision/v1/tasks/pets/versions/1"
    # A proxy may leave the prefix in the path or take it off.
    for path in ("/v1/tasks/pets", "/vision/v1/tasks/pets", made.headers["location"]):
        assert client.get(path).status_code == 200
    assert client.get("/vision/docs").status_code == client.get("/docs").status_code == 200
    assert client.get("/openapi.json").json()["servers"] == [{"url": "/vision"}]
    assert client.get("/visions/v1/tasks").status_code == 404


@pytest.mark.parametrize("path", ["vision", "/vision/", "/", "/v1", "/v2/x", "/a b", "/a//b"])
def test_what_is_no_prefix_is_refused(path: str) -> None:
    with pytest.raises(SettingsError, match="root_path: expected a path such as /vision"):
        read_settings({"root_path": path}, {})
