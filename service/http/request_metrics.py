"""Counting requests."""

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facet_vision.service.telemetry.metrics import Metrics


class RequestMetrics:
    """Middleware that counts requests by the route's template, never by the path that a client made up."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = perf_counter(), 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if route != "unmatched" else "any"
            self._metrics.count_request(method, route, status, perf_counter() - begun)
