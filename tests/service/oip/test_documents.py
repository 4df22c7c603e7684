"""What `/v2` answers is what the OpenAPI document says, field by field."""

import base64
import json
from collections import defaultdict
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.service.oip.conftest import SMALL, Live
from tests.service.support.app import png, task_file

schemathesis = pytest.importorskip("schemathesis", reason="the extra dev is not installed")

JSON_LENGTH = "Inference-Header-Content-Length"
BYTES = {"binary_data": True}


def infer(*outputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An inference call, whose image is behind its JSON."""
    image = len(png()).to_bytes(4, "little") + png()
    parameters = {"binary_data_size": len(image)}
    given = {"name": "image", "shape": [1], "datatype": "BYTES", "parameters": parameters}
    text = json.dumps({"inputs": [given], "outputs": outputs} | more).encode()
    return {"content": text + image, "headers": {JSON_LENGTH: str(len(text))}}


def load(data: bytes) -> dict[str, Any]:
    text = base64.b64encode(data).decode()
    return {"json": {"parameters": {"config": "{}", "file:2/task": text}}}


REQUESTS: dict[str, list[dict[str, Any]]] = {
    "infer": [
        infer(id="order-17"),
        infer({"name": "label"}, {"name": "probabilities", "parameters": {"classification": 2}}),
        infer({"name": "label", "parameters": BYTES}, {"name": "probabilities"}),
        infer(parameters={"abstain": True}),
        {"content": png(), "headers": {JSON_LENGTH: "0"}},
        {"json": {"inputs": []}},
    ],
    "load": [{}, load(b"damaged"), load(task_file(SMALL, "other", seed=6).to_bytes())],
    "unload": [{}, {"json": {"colour": "red"}}],
    "index": [{}, {"json": {"ready": True}}],
}
"""By the last word of a path; an empty one for all others."""


def closed(part: Any) -> Any:
    """The document where no object has a field that it does not name."""
    if isinstance(part, list):
        return [closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    shut = {"additionalProperties": False} if part.get("type") == "object" else {}
    return shut | {key: closed(value) for key, value in part.items()}


def documented(client: httpx.Client) -> Any:
    """The document's operations below `/v2`, which check answers."""
    whole = schemathesis.openapi.from_dict(closed(client.get("/openapi.json").json()))
    return [each.ok() for each in whole.include(path_regex="^/v2").get_all_operations()]


def check(operation: Any, answer: httpx.Response, text: bytes | None = None) -> None:
    """Check an answer, its content replaced by a JSON text if one is given."""
    found = schemathesis.Response.from_any(answer)
    if text is not None:
        found.content, found.headers["content-type"] = text, ["application/json"]
    operation.validate_response(found)


def test_every_call_answers_as_documented(live: Live) -> None:
    statuses = defaultdict(set)
    with live.client() as client:
        for _ in range(2):  # a file that was refused is in the index of the second round
            for operation in documented(client):
                task = "other" if "/repository/" in operation.path else "pets"
                path = operation.path.format(task=task, version="live")
                for request in REQUESTS.get(path.rpartition("/")[2], [{}]):
                    answer = client.request(operation.method, path, **request)
                    check(operation, answer)
                    if length := answer.headers.get(JSON_LENGTH):
                        check(operation, answer, answer.content[: int(length)])
                    statuses[operation.label].add(answer.status_code)
                schema = operation.definition.raw["responses"]["200"]["content"]
                assert schema["application/json"]["schema"], operation.label
        index = client.post("/v2/repository/index").json()
    assert len(statuses) == 17
    assert all(200 in found for found in statuses.values()), statuses
    assert {row["state"] for row in index} == {"READY", "UNAVAILABLE"}


def test_a_server_that_is_not_ready_answers_as_documented(app: FastAPI, url: str) -> None:
    app.state.components.drain()
    with httpx.Client(base_url=url) as client:
        for operation in documented(client):
            if operation.path == "/v2/health/ready":
                answer = client.get(operation.path)
                assert (answer.status_code, answer.json()) == (503, {"ready": False})
                check(operation, answer)


def test_an_undocumented_field_would_be_found(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        operation = next(each for each in documented(client) if each.path == "/v2")
        answer = client.get("/v2")
    for document in (answer.json() | {"colour": "red"}, {"name": "facet"}):
        with pytest.raises(AssertionError, match="Response violates schema"):
            check(operation, answer, json.dumps(document).encode())
