"""The client and its asynchronous form behind one face, and waits that do not last."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from facet_vision.service.client import async_client, client
from facet_vision.service.client.async_client import AsyncClient
from facet_vision.service.client.client import Client

Make = Callable[..., Any]
"""Makes a client by its arguments; its methods are called without await."""


class Awaited:
    """An `AsyncClient`, each of whose calls is run to its end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, inner: AsyncClient) -> None:
        self._loop, self._inner = loop, inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        assert inspect.iscoroutinefunction(found)
        return lambda *given, **named: self._loop.run_until_complete(found(*given, **named))


@contextmanager
def clients(asynchronous: bool) -> Iterator[Make]:
    """Give what makes clients of one kind, and close them afterwards."""
    with ExitStack() as stack:
        loop = stack.enter_context(asyncio.Runner()).get_loop() if asynchronous else None

        def make(*given: Any, **named: Any) -> Any:
            if loop is None:
                return stack.enter_context(Client(*given, **named))
            made = Awaited(loop, AsyncClient(*given, **named))
            stack.callback(lambda: made.close())
            return made

        yield make


class Waits(list[float]):
    """The seconds that clients wanted to wait; `then` is called at each wait."""

    then: Callable[[], None] | None = None

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__()
        patch.setattr(client, "time", SimpleNamespace(sleep=self.note))
        awaited = SimpleNamespace(sleep=self.note_and_go_on, to_thread=asyncio.to_thread)
        patch.setattr(async_client, "asyncio", awaited)

    def note(self, seconds: float) -> None:
        self.append(seconds)
        if self.then:
            self.then()

    async def note_and_go_on(self, seconds: float) -> None:
        self.note(seconds)
