"""Bounding the bytes of all request bodies together."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facet_vision.service.errors import BodyTooLarge, Overloaded

from .bodies import announced

RETRY_AFTER = 1
"""Seconds until a refused client may try again: bodies come and go much faster than that."""


class BodyBudget:
    """How many bytes of bodies are held, and how many may be.

    Attributes:
        limit, held: in bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.held = limit, 0

    def check(self, size: int) -> None:
        """Raise unless `size` more bytes may be held now.

        Raises:
            BodyTooLarge: they never may.
            Overloaded: not while the others are held.
        """
        if size > self.limit:
            raise BodyTooLarge(f"body: expected at most {self.limit} bytes, found {size}")
        if size > (free := self.limit - self.held):
            raise Overloaded(f"bodies: expected room for {size} bytes, found {free}", RETRY_AFTER)


class BoundedBodies:
    """Middleware: a body counts from when it arrives until its request is answered.

    One that announces more than there is room for is refused before any of it is read. What is announced takes no
    room yet: else a client that announces much and sends little would keep the others out.
    """

    def __init__(self, app: ASGIApp, budget: BodyBudget) -> None:
        self._app, self._budget = app, budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(self._budget, scope, receive)
        try:
            await self._app(scope, body.receive, send)
        finally:
            body.forget()


class _Body:
    """One request's body and its share of the budget."""

    def __init__(self, budget: BodyBudget, scope: Scope, receive: Receive) -> None:
        self._budget, self._scope, self._receive = budget, scope, receive
        self._held, self._begun = 0, False

    async def receive(self) -> Message:
        if not self._begun:
            self._begun = True
            self._budget.check(announced(Headers(scope=self._scope)) or 0)
        message = await self._receive()
        self._hold(len(message.get("body", b"")))
        return message

    def forget(self) -> None:
        self._budget.held -= self._held
        self._held = 0

    def _hold(self, size: int) -> None:
        self._budget.check(size)
        self._budget.held += size
        self._held += size
