"""The one mapping of exceptions to HTTP statuses and problem documents (RFC 9457)."""

import logging
import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from facet_vision.backbone import BackboneError, ImageError, UnsupportedBackbone
from facet_vision.prompts_store import (
    DamagedObject,
    InvalidExample,
    InvalidTaskName,
    LastExample,
    NotInstant,
    StoreError,
    StoreFull,
    TaskFileError,
    TaskNotFound,
    TaskNotLive,
    TooManyExamples,
    UnknownExample,
    VersionLive,
    VersionNotFound,
)
from facet_vision.service import errors

from .error_forms import CLIENT_CLOSED_REQUEST, Fault, cut, form_of, sentence
from .error_forms import MEDIA_TYPE as MEDIA_TYPE
from .middleware.head import methods_of
from .middleware.request_ids import Ids, ids_of

logger = logging.getLogger("facet.service")

STATUS: dict[type[Exception], tuple[int, str]] = {
    errors.InvalidBody: (422, "invalid-body"),
    errors.UnsupportedEncoding: (415, "unsupported-encoding"),
    errors.UnsupportedMedia: (415, "unsupported-media"),
    errors.BodyTooLarge: (413, "too-large"),
    errors.BodyTimeout: (408, "body-timeout"),
    errors.HeadTooLarge: (431, "head-too-large"),
    errors.HeadTimeout: (408, "head-timeout"),
    errors.BadRequest: (400, "bad-request"),
    errors.Unauthorized: (401, "unauthorized"),
    errors.Forbidden: (403, "forbidden"),
    errors.UnknownHost: (421, "unknown-host"),
    errors.ForeignOrigin: (403, "foreign-origin"),
    errors.UnknownTask: (404, "unknown-task"),
    errors.TaskUnavailable: (503, "task-unavailable"),
    errors.UnknownSample: (404, "unknown-sample"),
    errors.NoThreshold: (409, "no-threshold"),
    errors.UnfitTask: (422, "unfit-task"),
    errors.DeviceFull: (503, "device-full"),
    errors.TooManyMisses: (503, "loading"),
    errors.Overloaded: (429, "overloaded"),
    errors.TooManyRequests: (429, "too-many-requests"),
    errors.DeadlineUnreachable: (503, "deadline-unreachable"),
    errors.TooManyConnections: (503, "too-many-connections"),
    errors.Draining: (503, "draining"),
    errors.DeadlineExceeded: (504, "deadline-exceeded"),
    errors.EngineGone: (503, "engine-gone"),
    errors.ClientGone: (CLIENT_CLOSED_REQUEST, "client-gone"),
    errors.ForwardFailed: (500, "forward-failed"),
    ClientDisconnect: (CLIENT_CLOSED_REQUEST, "client-gone"),
    RequestValidationError: (422, "invalid-parameter"),
    ValidationError: (422, "invalid-body"),
    ImageError: (422, "bad-image"),
    BackboneError: (422, "unfit-task"),
    UnsupportedBackbone: (422, "unsupported-backbone"),
    TaskFileError: (422, "bad-task-file"),
    InvalidTaskName: (422, "invalid-task-name"),
    TaskNotFound: (404, "unknown-task"),
    VersionNotFound: (404, "unknown-version"),
    InvalidExample: (422, "invalid-example"),
    UnknownExample: (404, "unknown-example"),
    TooManyExamples: (409, "too-many-examples"),
    LastExample: (409, "last-example"),
    NotInstant: (409, "not-instant"),
    TaskNotLive: (409, "not-live"),
    VersionLive: (409, "version-live"),
    DamagedObject: (500, "damaged-object"),
    StoreFull: (507, "store-full"),
    StoreError: (503, "store-unavailable"),
}
"""Status and reason of each exception; the first class in its method resolution order decides."""

EXPECTED = (errors.Overloaded, errors.Draining, errors.DeadlineExceeded)
"""What a sound server answers under load or while it shuts down: counted, but not logged."""


def install(app: FastAPI, count_rejection: Callable[[str], None]) -> None:
    """Make `app` answer every exception with a problem document, and count the reasons."""

    async def known(request: Request, error: Exception) -> Response:
        return refusal(error, request, count_rejection)

    for kind in STATUS:
        app.add_exception_handler(kind, known)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


def refusal(
    error: Exception, request: Request, count_rejection: Callable[[str], None]
) -> JSONResponse:
    """Make the response for one of the exceptions in `STATUS`, and count its reason."""
    status, reason = status_of(error)
    count_rejection(reason)
    if status >= 500 and not isinstance(error, EXPECTED):
        logger.error("%s %s: %s", request.method, path_of(request), error)
    return problem(status, reason, sentence(error), request, _headers(error, status))


def refusal_bytes(
    error: Exception,
    path: str,
    count_rejection: Callable[[str], None],
    headers: Mapping[str, str] = MappingProxyType({}),
    ids: Ids | None = None,
) -> tuple[int, bytes]:
    """Make the status and the whole HTTP/1.1 response of a refusal without a request object."""
    ids = ids or ids_of(())
    status, reason = status_of(error)
    count_rejection(reason)
    form = form_of(path)
    fault = Fault(status, reason, sentence(error), path, ids.request)
    body = to_json(form.document(fault))
    fields = {"Content-Type": form.media_type, "Content-Length": str(len(body)), **headers}
    fields |= ids.headers() | (_headers(error, status) or {})
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return status, "\r\n".join([*lines, "", ""]).encode() + body


def problem(
    status: int, reason: str, detail: str, request: Request, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Make the response that tells an error, in the form of the path that was asked for.

    Args:
        status: HTTP status.
        reason: the end of a problem document's type, a stable URN to match on.
        detail: one sentence for a person.
        request: the request that failed.
        headers: further headers.
    """
    request.scope.setdefault("state", {})["reason"] = reason  # for the record of changes
    # The middleware `RequestIds` leaves the id there, whether or not the client has sent one.
    request_id = request.headers.get("x-request-id", "")
    path = path_of(request)
    form = form_of(path)
    fault = Fault(status, reason, detail, path, request_id)
    return JSONResponse(form.document(fault), status, headers, media_type=form.media_type)


def path_of(request: Request) -> str:
    """Return the path that was asked for, in the characters that a URL may have.

    The request's own `url` holds what else the client sent as well, and raises where that is no
    text.
    """
    return quote(request.scope["path"], safe="/:@!$&'()*+,;=~")


def status_of(error: Exception) -> tuple[int, str]:
    """Return the HTTP status and the reason of an exception; 500 if it is none of `STATUS`."""
    known = (STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return next(known, (HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected"))


def _headers(error: Exception, status: int) -> dict[str, str] | None:
    if isinstance(error, errors.UnsupportedEncoding):
        return {"Accept-Encoding": "gzip, deflate"}
    if isinstance(error, errors.Unauthorized):
        return {"WWW-Authenticate": 'Bearer error="invalid_token"' if error.shown else "Bearer"}
    if isinstance(error, errors.Forbidden) and error.scope:
        challenge = f'Bearer error="insufficient_scope", scope="{error.scope}"'
        return {"WWW-Authenticate": challenge}
    if isinstance(error, errors.Overloaded):
        wait = {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
        return wait | (_limit(error) if isinstance(error, errors.TooManyRequests) else {})
    if isinstance(error, errors.TaskUnavailable) and not error.passing:
        return None  # to wait would not help
    return {"Retry-After": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None


def _limit(error: errors.TooManyRequests) -> dict[str, str]:
    """Return the headers of draft-ietf-httpapi-ratelimit-headers-10.

    The draft has no unit for images, so the policy's name says what is counted.
    """
    window = f";w={max(1, math.ceil(error.window))}" if error.window else ""
    reset = max(1, math.ceil(error.retry_after))
    return {
        "RateLimit-Policy": f'"{error.policy}";q={error.quota}{window}',
        "RateLimit": f'"{error.policy}";r={error.remaining};t={reset}',
    }


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"There is nothing at {cut(path_of(request))}."
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.method} is not a method of {cut(path_of(request))}."
    headers = dict(error.headers) if error.headers else {}
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # The router names the methods of the first route of this path only.
        headers["Allow"] = ", ".join(methods_of(request.app.routes, request.scope))
    return problem(error.status_code, "http", detail, request, headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    # uvicorn logs the error, whose message may hold what a client should not see.
    detail = "The server failed to answer this request; its log has the cause."
    # This runs outside of all middleware, so the ids are those that it has left in the request.
    ids = ids_of(request.headers.raw)
    logger.error("request %s failed: %s", ids.request, type(error).__name__)
    return problem(500, "unexpected", detail, request, ids.headers())
