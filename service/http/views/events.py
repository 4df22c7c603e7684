"""What has changed on this server, in all tasks together."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from facet_vision.service.http.deps import ComponentsDependency, caller_of, needs
from facet_vision.service.http.parameters import PlainDigits, known_parameters
from facet_vision.service.http.schemas import Problem

from .schemas import EventList, TaskEvent

MAX_EVENTS = 1000

router = APIRouter(
    tags=["tasks"],
    responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
    dependencies=[Depends(known_parameters)],
)


@router.get(
    "/v1/events", summary="List the last changes of all tasks", dependencies=[Depends(needs())]
)
async def list_events(
    request: Request,
    components: ComponentsDependency,
    limit: Annotated[
        int, Query(ge=1, le=MAX_EVENTS, description="Most events in the answer."), PlainDigits
    ] = 50,
) -> EventList:
    """List the last events of the tasks that the key covers, the newest first.

    They are those that this server has in memory: it reads a task's history when the task is first
    asked, listed or changed. A few histories that are missing are read now; of more, `unread` tells
    how many there are.
    """
    found, unread = await components.listing.newest(limit, caller_of(request).sees)
    events = [
        TaskEvent(task=task, **event.model_dump(include={"event", "version", "at", "by"}))
        for task, event in found
    ]
    return EventList(events=events, unread=unread)
