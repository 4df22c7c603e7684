"""The message of a call: read once its caller is known, and counted until the call ends.

gRPC reads the only message of a call before the server is asked, so it would read up to the largest
task file for a caller without a key. Therefore a call with one message is served as one with a
stream of them, which is the same to its client.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from google.protobuf.message import DecodeError

from facet_vision.service.errors import BadRequest, BodyTimeout
from facet_vision.service.http.middleware.body_budget import BodyBudget


class Arrivals:
    """Messages on their way in. Only the event loop uses it.

    Args:
        budget: bytes of all messages together.
        seconds: the only message of a call is given up unless it has arrived by then.
    """

    def __init__(self, budget: BodyBudget, seconds: float) -> None:
        self._budget = budget
        self._seconds = seconds

    async def only(self, requests: AsyncIterator[bytes]) -> bytes:
        """Return the bytes of a call's message.

        Raises:
            BadRequest: there is none.
            BodyTimeout: it does not arrive in time.
        """
        try:
            async with asyncio.timeout(self._seconds):
                async for data in requests:
                    return data
        except TimeoutError:
            raise BodyTimeout(
                f"message: expected it within {self._seconds:g} seconds, found none"
            ) from None
        raise BadRequest("message: expected one, found none")

    @contextmanager
    def held(self, data: bytes, kind: Any) -> Iterator[Any]:
        """Yield what the bytes of a message say; they count until the block ends.

        Args:
            data: the bytes.
            kind: the message's class.

        Raises:
            BadRequest: they are no such message.
            Overloaded: they do not fit beside the messages of other calls.
        """
        size = len(data)
        self._budget.take(size)
        try:
            yield _parsed(data, kind)
        finally:
            self._budget.held -= size


def _parsed(data: bytes, kind: Any) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError:
        name = kind.DESCRIPTOR.name
        raise BadRequest(f"message: expected {name}, found bytes that are none") from None
