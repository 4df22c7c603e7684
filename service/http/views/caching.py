"""Whether a client's copy of a document is still good."""

from fastapi import Request


def is_current(etag: str, request: Request) -> bool:
    """Return whether `If-None-Match` names the ETag, so that 304 answers the request.

    They are compared weakly (RFC 9110, section 13.1.2).
    """
    condition = ",".join(request.headers.getlist("if-none-match"))
    named = [part.strip().removeprefix("W/") for part in condition.split(",")]
    return etag.removeprefix("W/") in named or "*" in named
