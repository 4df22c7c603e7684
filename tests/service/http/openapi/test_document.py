"""What the OpenAPI document says of every call."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from facet_vision.service.http.openapi.errors import ERRORS
from facet_vision.service.http.openapi.limits import table
from facet_vision.service.http.problems import STATUS
from facet_vision.service.settings import Settings
from tests.service.support.app import ask
from tests.service.support.keys import Keys


@pytest.fixture
def document(client: TestClient) -> Any:
    return client.get("/openapi.json").json()


def calls_of(document: Any) -> Iterator[tuple[str, Any]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"{method.upper()} {path}", operation


def told_by(operation: Any) -> str:
    return "\n".join(each["description"] for each in operation["responses"].values())


def test_every_error_is_told_by_a_call(document: Any) -> None:
    # A client that has gone reads no answer.
    reasons = {reason for _, reason in STATUS.values()} | {"unexpected"}
    assert set(ERRORS) == reasons - {"client-gone"}
    told = "\n".join(told_by(operation) for _, operation in calls_of(document))
    for reason in ERRORS:
        assert f"- `{reason}`: " in told, reason


def test_every_call_with_a_key_tells_how_it_is_refused(document: Any) -> None:
    for call, operation in calls_of(document):
        responses = operation["responses"]
        assert {"400", "421", "431", "500", "503", "4XX", "5XX"} <= set(responses), call
        assert ("security" in operation) == ({"401", "403"} <= set(responses)), call
        if "requestBody" in operation:
            assert {"408", "413", "415", "429"} <= set(responses), call


def test_the_headers_of_answers_are_told(document: Any) -> None:
    headers = document["components"]["headers"]
    for call, operation in calls_of(document):
        asked = {each["name"] for each in operation["parameters"] if each["in"] == "header"}
        assert {"X-Request-ID", "traceparent"} <= asked, call
        for status, response in operation["responses"].items():
            for name, header in response["headers"].items():
                if "$ref" in header:
                    assert header["$ref"] == f"#/components/headers/{name}"
                    assert name in headers
            assert {"X-Request-ID", "traceparent"} <= set(response["headers"]), call
            expected = {
                "401": {"WWW-Authenticate"},
                "403": {"WWW-Authenticate"},
                "429": {"Retry-After", "RateLimit", "RateLimit-Policy"},
                "503": {"Retry-After"},
            }.get(status, set())
            assert expected <= set(response["headers"]), (call, status)


def test_refusals_have_the_headers_that_are_told(
    serve: Callable[..., TestClient], tmp_path: Any
) -> None:
    keys = Keys(tmp_path / "keys.json")
    root = keys.add("root")
    client = serve(keys_file=keys.path)
    told = client.get("/openapi.json", headers=root).json()["paths"]
    told = told["/v1/tasks/{task}/predict"]["post"]["responses"]
    refused = ask(client, "pets")
    assert refused.status_code == 401
    assert "WWW-Authenticate" in told["401"]["headers"]
    assert refused.headers["www-authenticate"] == "Bearer"


def test_limits_are_those_of_the_settings(serve: Callable[..., TestClient]) -> None:
    client = serve(max_images=7, max_task_bytes=12345, max_request_bytes=54321)
    document = client.get("/openapi.json").json()
    for call, operation in calls_of(document):
        if body := operation.get("requestBody"):
            assert body["x-facet-limits"], call
            for name, value in body["x-facet-limits"].items():
                assert f"{name} {value}" in body["description"]
    paths = document["paths"]
    predict = paths["/v1/tasks/{task}/predict"]["post"]["requestBody"]
    assert predict["x-facet-limits"]["max_images"] == 7
    upload = paths["/v1/tasks/{task}/versions"]["post"]["requestBody"]
    assert upload["x-facet-limits"] == {"max_task_bytes": 12345}
    for line in ("| `max_images` | 7 |", "| `max_task_bytes` | 12345 |", "| `deadline_seconds` |"):
        assert line in document["info"]["description"]


def test_the_table_has_every_limit() -> None:
    shown = table(Settings())
    for name in Settings.model_fields:
        assert (f"| `{name}` |" in shown) or not name.startswith("max_") or name == "max_batch"


def test_every_call_that_reads_a_body_tells_it(document: Any) -> None:
    for call, operation in calls_of(document):
        reads = call.startswith(("POST", "PUT")) and not call.endswith(("/start", "/cancel"))
        assert ("requestBody" in operation) == reads, call


def test_every_reference_leads_somewhere(document: Any) -> None:
    def references(part: Any) -> Iterator[str]:
        for key, value in part.items() if isinstance(part, dict) else ():
            if key == "$ref":
                yield value
            yield from references(value)
        for value in part if isinstance(part, list) else ():
            yield from references(value)

    for reference in set(references(document)):
        found = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in found, reference
            found = found[step]
