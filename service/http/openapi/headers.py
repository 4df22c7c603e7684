"""Headers that many calls take or answer with, for the OpenAPI document."""

from typing import Any


def _header(description: str, schema: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"description": description, "schema": schema or {"type": "string"}, **more}


HEADERS = {
    "X-Request-ID": _header("Id of the request: the client's, or a new one.", required=True),
    "traceparent": _header("The server's part of the trace (W3C Trace Context), if there is one."),
    "Retry-After": _header(
        "Seconds to wait. Without it a `task-unavailable` ends only once somebody mends the task.",
        {"type": "integer", "minimum": 1},
    ),
    "RateLimit-Policy": _header(
        "The limit of the key: its quota `q`, in `w` seconds. With `too-many-requests` only."
    ),
    "RateLimit": _header(
        "What remains, `r`, and the seconds `t` until there is room. With `too-many-requests` only."
    ),
    "WWW-Authenticate": _header("How to show a key, and the scope that is missing."),
    "Accept-Encoding": _header("The codings that are read. With `unsupported-encoding` only."),
}
"""Components of the document."""

OF_EVERY_ANSWER = ("X-Request-ID", "traceparent")

OF_STATUS = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    415: ("Accept-Encoding",),
    429: ("Retry-After", "RateLimit-Policy", "RateLimit"),
    503: ("Retry-After",),
}

OF_EVERY_REQUEST = (
    {
        "name": "X-Request-ID",
        "in": "header",
        "description": "Id for the request, given back and in the log: at most 128 letters, digits "
        "and ._:/+=@-. Others are ignored.",
        "schema": {"type": "string"},
    },
    {
        "name": "traceparent",
        "in": "header",
        "description": "The trace that the request is part of (W3C Trace Context).",
        "schema": {"type": "string"},
    },
)
"""Parameters of each call."""


def references(status: int | None) -> dict[str, Any]:
    """Return the headers of an answer with this status, as references to the components."""
    names = (*OF_EVERY_ANSWER, *OF_STATUS.get(status or 0, ()))
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
