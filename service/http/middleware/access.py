"""Who sends a request: the caller of a key, or nobody in particular where there are no keys."""

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from facet_vision.service.access import Keyring
from facet_vision.service.errors import Unauthorized
from facet_vision.service.http.problems import refusal

PROBES = frozenset({"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"})
"""Paths that are answered without a key: an orchestrator has none, and they tell nothing."""


class KnownCallers:
    """Middleware that lets a request pass only if it shows a key, and says whose it is.

    It stands before the routes, so that no route can be reached without one.

    Args:
        app: gets the requests; handlers find the caller by `deps.caller_of`.
        keys: those of the server.
        count_rejection: is called with the reason of each refusal.
    """

    def __init__(self, app: ASGIApp, keys: Keyring, count_rejection: Callable[[str], None]) -> None:
        self._app = app
        self._keys = keys
        self._count_rejection = count_rejection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_probe(scope):
            try:
                caller = self._keys.caller(authorization_of(Headers(scope=scope)))
            except Unauthorized as error:
                response = refusal(error, Request(scope), self._count_rejection)
                await response(scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)

    def _is_probe(self, scope: Scope) -> bool:
        return scope["path"].removeprefix(scope.get("root_path", "")) in PROBES


def authorization_of(headers: Headers) -> str | None:
    """Return the one Authorization header; None if there is none, or more than one."""
    given = headers.getlist("authorization")
    return given[0] if len(given) == 1 else None
