"""Who sends a request: the caller of a key, or nobody in particular where there are no keys."""

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from facet_vision.service.access import ANYONE, Caller, Keyring
from facet_vision.service.errors import Unauthorized
from facet_vision.service.http.openapi.page import PATHS as PAGE
from facet_vision.service.http.problems import refusal
from facet_vision.service.http.views.console import PATHS as CONSOLE

METRICS = "/metrics"

PROBES = frozenset({"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"})
"""Paths that are answered without a key: an orchestrator has none, and they tell nothing."""

_OPEN = PROBES | PAGE | CONSOLE


class KnownCallers:
    """Middleware that lets a request pass only if it shows a key, and says whose it is.

    It stands before the routes, so that no route can be reached without one.

    Args:
        app: gets the requests; handlers find the caller by `deps.caller_of`.
        keys: those of the server.
        count_rejection: is called with the reason of each refusal.
        open_metrics: whether /metrics needs no key.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: Keyring,
        count_rejection: Callable[[str], None],
        *,
        open_metrics: bool,
    ) -> None:
        self._app = app
        self._keys = keys
        self._count_rejection = count_rejection
        self._open_metrics = open_metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            if path not in _OPEN:
                try:
                    caller = self._caller(path, Headers(scope=scope))
                except Unauthorized as error:
                    response = refusal(error, Request(scope), self._count_rejection)
                    await response(scope, receive, send)
                    return
                scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)

    def _caller(self, path: str, headers: Headers) -> Caller:
        if self._open_metrics and path == METRICS:
            return ANYONE
        return self._keys.caller(authorization_of(headers))


def authorization_of(headers: Headers) -> str | None:
    """Return the one Authorization header; None if there is none, or more than one."""
    given = headers.getlist("authorization")
    return given[0] if len(given) == 1 else None
