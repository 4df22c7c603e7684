"""Events of a training as server-sent events (WHATWG HTML, section 9.2)."""

from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse

from facet_vision.service.trainings.channel import Happened
from facet_vision.service.trainings.record import Training

from .schemas import Progress, TrainingResult, summary

MEDIA_TYPE = "text/event-stream"

# A proxy that gathered what it passes on would hold events back.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def streamed(
    events: AsyncIterator[Happened | None], *, begin_only: bool = False
) -> StreamingResponse:
    """Return the answer that passes events on as they come, and a comment in place of None.

    With `begin_only` it ends before the first event.
    """
    texts = _texts(events, begin_only)
    return StreamingResponse(texts, headers=HEADERS, media_type=MEDIA_TYPE)


async def _texts(events: AsyncIterator[Happened | None], begin_only: bool) -> AsyncIterator[str]:
    yield ": events of a training\n\n"  # so that the answer's head is sent at once
    if begin_only:
        return
    async for happened in events:
        yield ":\n\n" if happened is None else _text(happened)


def _text(happened: Happened) -> str:
    # JSON has no line break outside of its texts, and writes those inside as \n.
    return f"id: {happened.id}\nevent: {happened.kind}\ndata: {_document(happened)}\n\n"


def _document(happened: Happened) -> str:
    data = happened.data
    if not isinstance(data, Training):
        return Progress(**data).model_dump_json()
    if happened.kind == "result":
        return TrainingResult(**(data.result or {})).model_dump_json()
    return summary(data, None).model_dump_json()
