"""The JSON documents of what the console shows."""

from pydantic import BaseModel, Field

from facet_vision.prompts_store.samples.facts import MediaType
from facet_vision.service.http.schemas import EventRecord

Grid = list[list[float]]


class Explanation(BaseModel):
    """Where the backbone's class token looks in an image, with the task and without."""

    task: str = Field(examples=["digits"])
    version: int
    rows: int = Field(description="Of patches.", examples=[14])
    columns: int = Field(examples=[14])
    box: list[float] = Field(
        description="Left, top, right and bottom of what the patches cover, in fractions of the "
        "upright image. Below 0 or above 1 is what a border adds.",
        min_length=4,
        max_length=4,
        examples=[[0.125, 0.0, 0.875, 1.0]],
    )
    adapted: Grid = Field(
        description="Row by row, the share of the attention to all patches that each patch gets "
        "under the task, the mean over heads; they sum to 1."
    )
    bare: Grid = Field(description="Likewise in the bare backbone.")


class Sample(BaseModel):
    """An image that a task's file carries."""

    label: str = Field(description="What it was labelled as.", examples=["7"])
    media_type: MediaType


class SampleList(BaseModel):
    """The samples of a task's live version, in the order of their numbers from 0."""

    samples: list[Sample]


class TaskEvent(EventRecord):
    """One entry of the history of a task."""

    task: str = Field(examples=["digits"])


class EventList(BaseModel):
    """The last events of all tasks together, the newest first."""

    events: list[TaskEvent]
    unread: int = Field(
        description="Number of tasks whose histories are not in memory; their events are missing."
    )
