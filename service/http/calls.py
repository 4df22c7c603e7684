"""What every call of the predictor over HTTP shares, whatever the form of its body and answer.

`Call` owns what belongs to one call: when it arrived, and its deadline.
"""

import asyncio
import math
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from fastapi import Request

from facet_vision.backbone import Pixels
from facet_vision.service.errors import ClientGone, DeadlineExceeded
from facet_vision.service.predictor.context import RequestContext
from facet_vision.service.predictor.decoder import DecodedImage, ImageBytes
from facet_vision.service.predictor.protocol import Prediction, PredictRequest
from facet_vision.service.telemetry.request_log import note

from .bodies import announced_bytes
from .deps import caller_of, context_of

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """One call of the predictor.

    Attributes:
        request: the HTTP request.
        context: what the process offers to answer it.
        arrived, deadline: seconds of the context's clock.
    """

    request: Request
    context: RequestContext
    arrived: float
    deadline: float

    @classmethod
    def of(cls, request: Request, timeout_ms: float | None = None) -> Self:
        """Begin a call, whose answer is of no use after `timeout_ms` or the server's deadline."""
        context = context_of(request)
        arrived = context.clock()
        wanted = math.inf if timeout_ms is None else timeout_ms / 1000
        deadline = arrived + min(wanted, context.settings.deadline_seconds)
        return cls(request, context, arrived, deadline)

    def asking(self, tasks: Sequence[str] | None, images: int, **options: Any) -> PredictRequest:
        """Return the predict request of this call; for the options see `PredictRequest`."""
        caller = caller_of(self.request).name
        return PredictRequest(tasks, images, self.deadline, caller=caller, **options)

    async def check(self, wanted: PredictRequest) -> None:
        """Raise now what admission would raise, as far as that is known: before the body is read.

        An unknown task and a full queue are so refused without the images' bytes.
        """
        note(tasks=wanted.tasks or ())
        announced = announced_bytes(self.request.headers)
        await self.context.predictor.check(wanted, announced)

    async def answer(
        self, wanted: PredictRequest, images: Sequence[ImageBytes | Pixels]
    ) -> tuple[list[DecodedImage], list[Prediction]]:
        """Decode the images and return them with their predictions; see `Admission.answer`.

        Raises:
            ClientGone: the client has left before.
            DeadlineExceeded: the deadline has passed before.
        """
        note(tasks=wanted.tasks or (), images=len(images))
        return await self.wait_for(self.context.answer(wanted, images))

    async def wait_for(self, work: Awaitable[T]) -> T:
        """Return the outcome of the work, which is given up when its outcome is of no use.

        Raises:
            ClientGone: the client has left before.
            DeadlineExceeded: the deadline has passed before.
        """
        left = self.deadline - self.context.clock()
        return await _while_connected(self.request, work, left)


async def _while_connected(request: Request, work: Awaitable[T], seconds: float) -> T:
    """Wait for the work, and give it up when the client disconnects or the time has passed.

    Raises:
        ClientGone: the client has closed the connection.
        DeadlineExceeded: the work took longer than `seconds`.
    """
    watching = None
    try:
        # Both ends cancel the work in the same way: a client that leaves moves the limit to now.
        async with asyncio.timeout(max(0.0, seconds)) as limit:
            watching = asyncio.ensure_future(_end_when_gone(request, limit))
            return await work
    except TimeoutError:
        if not limit.expired():  # a TimeoutError of the work itself
            raise
        if watching and watching.done():
            raise ClientGone(
                "client: expected it to wait for the answer, found the connection closed"
            ) from None
        raise DeadlineExceeded from None
    finally:
        if watching:
            watching.cancel()


async def _end_when_gone(request: Request, limit: asyncio.Timeout) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    limit.reschedule(0)
