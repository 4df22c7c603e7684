"""Forms in which an error is told: a problem document, or what a protocol's own clients expect.

Which one follows from the path alone, so that every part that refuses a request tells it alike,
before and after routing.
"""

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from facet_vision.prompts_store.errors import shown

MEDIA_TYPE = "application/problem+json"

CLIENT_CLOSED_REQUEST = 499
"""nginx's number; no client reads it, it is for the metrics."""


class Fault(NamedTuple):
    """An error to be told.

    Attributes:
        status: HTTP status.
        reason: a stable name to match on.
        detail: one sentence.
        path: that was asked for.
        request_id: of the request.
    """

    status: int
    reason: str
    detail: str
    path: str
    request_id: str


class Form(NamedTuple):
    """How errors are told.

    Attributes:
        media_type: of the document.
        document: makes it.
    """

    media_type: str
    document: Callable[[Fault], dict[str, Any]]


def form_of(path: str) -> Form:
    """Return the form for a path, with a proxy's prefix or without."""
    return next((form for pattern, form in _FORMS if pattern.fullmatch(path)), _PROBLEM)


def sentence(error: Exception) -> str:
    """Return what went wrong, in one sentence."""
    if isinstance(error, (RequestValidationError, ValidationError)):
        first = error.errors()[0]
        place = _place(first["loc"])
        message = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
        return f"{place}: {message}, found {shown(first.get('input'))}"
    return str(error) or type(error).__name__


def _place(loc: Sequence[int | str]) -> str:
    """Return the name of what is at fault; `loc` may begin with where the name was found."""
    names = loc[1:] if loc and loc[0] in ("query", "path") else loc
    return cut(".".join(map(str, names))) if names else "body"


def cut(text: str) -> str:
    """Return a text as the sentences show it: at most 80 characters of it."""
    return text if len(text) <= 80 else f"{text[:80]}…"


def _problem(fault: Fault) -> dict[str, Any]:
    """Make a problem document; see `schemas.Problem`."""
    closed = fault.status == CLIENT_CLOSED_REQUEST
    title = "Client Closed Request" if closed else HTTPStatus(fault.status).phrase
    return {
        "type": f"urn:facet:problem:{fault.reason}",
        "title": title,
        "status": fault.status,
        "detail": fault.detail,
        "instance": fault.path,
        "request_id": fault.request_id,
    }


def _openai(fault: Fault) -> dict[str, Any]:
    """Make OpenAI's document; sentences begin with the field that they are about."""
    field = re.match(r"(input|model|dimensions|encoding_format|user|task)\b", fault.detail)
    kind = "invalid_request_error" if fault.status < 500 else "server_error"
    return {
        "error": {
            "message": fault.detail,
            "type": _OPENAI_TYPES.get(fault.status, kind),
            "param": field and {"task": "model"}.get(field[1], field[1]),
            "code": "model_not_found" if fault.reason == "unknown-task" else fault.reason,
        }
    }


_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}

_PROBLEM = Form(MEDIA_TYPE, _problem)
_FORMS = (
    (
        re.compile(r"(?!.*/v1/).*/v2(/.*)?"),
        Form("application/json", lambda fault: {"error": fault.detail}),
    ),
    (re.compile(r".*/v1/(embeddings|models(/.*)?)"), Form("application/json", _openai)),
    (
        re.compile(r"(?!.*/v1/).*/hf/[^/]*"),
        Form(
            "application/json",
            lambda fault: {"error": fault.detail, "error_type": fault.reason},
        ),
    ),
)
