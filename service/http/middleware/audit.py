"""The record of changes that arrive over HTTP."""

from collections.abc import Callable, Sequence
from typing import Any

from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facet_vision.service.access import audit

from .origins import SAFE_METHODS

Infers = Callable[[BaseRoute], bool]

UNIX = "unix socket"


class AuditedChanges:
    """Middleware that records each request that asks for a change.

    That is every request whose method is not safe, unless its route only asks tasks; so a new route
    is recorded unless it declares the scope `infer`. What a route finds out about the change it
    leaves to `tell`.

    Args:
        app: answers.
        routes: those of the application; a request that none of them fits is no change.
        infers: returns whether a route only asks tasks.
        passes_on: whether what fits no route goes to another process, which records what it
            answers; here is recorded what does not get there.
    """

    def __init__(
        self, app: ASGIApp, routes: Sequence[BaseRoute], infers: Infers, *, passes_on: bool = False
    ) -> None:
        self._app = app
        self._routes = routes
        self._infers = infers
        self._passes_on = passes_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        failed = False
        try:
            await self._app(scope, receive, watched)
        except Exception:
            failed = True
            raise
        finally:
            if not state.get("passed_on") and self._is_change(scope):
                _record(scope, 500 if failed else status)

    def _is_change(self, scope: Scope) -> bool:
        route = scope.get("route")
        if route is None:  # it was refused before the routes, or none fits
            route = next((each for each in self._routes if _fits(each, scope)), None)
        if route is None:
            return self._passes_on
        return not self._infers(route)


def tell(scope: Scope, **found: Any) -> None:
    """Add to the record of a request's change: `task`, `version` or `sha256`."""
    scope.setdefault("state", {}).setdefault("change", {}).update(found)


def _fits(route: BaseRoute, scope: Scope) -> bool:
    return route.matches(scope)[0] is Match.FULL


def _record(scope: Scope, status: int) -> None:
    state = scope["state"]
    caller = state.get("caller")
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    found = {"task": scope.get("path_params", {}).get("task")} | state.get("change", {})
    audit.record(
        who=caller.name if caller else "",
        where=scope["client"][0] if scope.get("client") else UNIX,
        what=f"{scope['method']} {path}",
        outcome=_outcome(status),
        reason=state.get("reason"),
        request=Headers(scope=scope).get("x-request-id", ""),
        **found,
    )


def _outcome(status: int) -> audit.Outcome:
    if status == 0:
        return "unanswered"
    if status < 400:
        return "done"
    return "refused" if status < 500 else "failed"
