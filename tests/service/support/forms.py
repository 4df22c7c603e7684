"""A request for each call of the predictor, in every form; and errors in the form of their path."""

from base64 import b64encode
from typing import Any

import httpx

from tests.service.support.app import assert_problem, png

_IMAGE = {"content": png(), "headers": {"Content-Type": "image/png"}}
_TENSORS = {"content": png(), "headers": {"Inference-Header-Content-Length": "0"}}
_FORM = {"files": {"file": ("a.png", png())}, "data": {"tasks": "pets"}}
_DOCUMENT = {"json": {"model": "pets", "input": b64encode(png()).decode()}}

FORMS: dict[str, dict[str, Any]] = {
    "/v1/tasks/{task}/predict": _IMAGE,
    "/v1/predict": _FORM,
    "/v1/embeddings": _DOCUMENT,
    "/hf/{task}": _IMAGE,
    "/v2/models/{task}/infer": _TENSORS,
    "/v2/models/{task}/versions/{version}/infer": _TENSORS,
}
"""By route: one image for the task `pets`, as arguments of httpx."""


def asking(route: str) -> httpx.Request:
    """The request for a route, with its body read."""
    path = route.format(task="pets", version="live")
    request = httpx.Request("POST", f"http://localhost{path}", **FORMS[route])
    request.read()
    return request


def ask_by(client: Any, route: str) -> Any:
    """Send it through any httpx-like client."""
    request = asking(route)
    return client.post(request.url.path, content=request.content, headers=dict(request.headers))


def told(answer: Any) -> str:
    """The sentence of an error."""
    document = answer.json()
    error = document.get("error", {})
    sentence = document.get("detail") or (error if isinstance(error, str) else error["message"])
    assert isinstance(sentence, str)
    return sentence


def assert_refused(answer: Any, status: int, words: str) -> None:
    if answer.headers["content-type"] == "application/problem+json":
        assert_problem(answer, status, words)
    else:
        assert answer.status_code == status, answer.text
        assert words in told(answer)
