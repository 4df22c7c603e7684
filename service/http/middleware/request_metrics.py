"""Middleware that counts requests."""

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facet_vision.service.telemetry.metrics import Metrics
from facet_vision.service.telemetry.request_log import note


class RequestMetrics:
    """Middleware that counts requests and their seconds.

    The label is the route's template, never the path: a client can invent any number of paths.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = perf_counter()
        status = 500  # of a request whose answer never begins

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            # The router puts the route into the scope, so it is known only now.
            route = getattr(scope.get("route"), "path", "unmatched")
            note(route=route)
            method = scope["method"] if route != "unmatched" else "any"
            self._metrics.count_request(method, route, status, perf_counter() - begun)
