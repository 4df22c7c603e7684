"""A bound on the bytes of all request bodies together."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facet_vision.service.errors import BodyTooLarge, Overloaded
from facet_vision.service.http.bodies import announced_bytes

RETRY_AFTER_SECONDS = 1
"""When a refused client may try again; most bodies are released much sooner."""


class BodyBudget:
    """The bytes of request bodies that are in memory, and their limit.

    Attributes:
        limit, held: in bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def check(self, size: int) -> None:
        """Raise unless `size` more bytes fit now.

        Raises:
            BodyTooLarge: they would never fit.
            Overloaded: they do not fit beside the bodies of other requests.
        """
        free = self.limit - self.held
        if size > self.limit:
            raise BodyTooLarge(f"body: expected at most {self.limit} bytes, found {size}")
        if size > free:
            raise Overloaded(
                f"bodies: expected room for {size} bytes, found {free}", RETRY_AFTER_SECONDS
            )

    def take(self, size: int) -> None:
        """Count `size` more bytes as held, if they fit.

        Raises:
            BodyTooLarge, Overloaded: see `check`.
        """
        self.check(size)
        self.held += size


class BoundedBodies:
    """Middleware that counts each body from its arrival until its request is answered.

    A body that announces more than there is room for is refused unread. An announcement takes no
    room itself: otherwise a client that announces much and sends little would shut out everybody
    else.
    """

    def __init__(self, app: ASGIApp, budget: BodyBudget) -> None:
        self._app = app
        self._budget = budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(self._budget, scope, receive)
        try:
            await self._app(scope, body.receive, send)
        finally:
            body.release()


class _Body:
    """One request's body and its share of the budget."""

    def __init__(self, budget: BodyBudget, scope: Scope, receive: Receive) -> None:
        self._budget = budget
        self._scope = scope
        self._receive = receive
        self._held = 0
        self._begun = False

    async def receive(self) -> Message:
        if not self._begun:
            self._begun = True
            self._budget.check(announced_bytes(Headers(scope=self._scope)) or 0)
        message = await self._receive()
        self._hold(len(message.get("body", b"")))
        return message

    def release(self) -> None:
        self._budget.held -= self._held
        self._held = 0

    def _hold(self, size: int) -> None:
        self._budget.take(size)
        self._held += size
