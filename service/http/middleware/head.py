"""HEAD wherever GET is, and which methods a path has."""

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")


class HeadAsGet:
    """Middleware that answers HEAD as GET, without the body.

    An answer without end would never be one; so a route may ask `is_head`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        scope.setdefault("state", {})["head"] = True
        inner = {**scope, "method": "GET"}
        try:
            await self._app(inner, receive, head)
        finally:
            if "route" in inner:  # the metrics count it
                scope["route"] = inner["route"]


def is_head(scope: Scope) -> bool:
    """Return whether a request that comes as GET was HEAD."""
    return bool(scope.get("state", {}).get("head"))


def methods_of(routes: Iterable[BaseRoute], scope: Scope) -> list[str]:
    """Return the methods that the path of a request has, for `Allow`."""
    routes = list(routes)
    found = [
        method
        for method in METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return ["GET", "HEAD", *found[1:]] if "GET" in found else found
