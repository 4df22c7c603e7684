"""The JSON documents of the v1 API."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from facet_vision.prompts_store import Manifest
from facet_vision.prompts_store.events import EventKind
from facet_vision.prompts_store.instant.facts import InstantKind


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(
        description="A URN to match on; stable.", examples=["urn:facet:problem:unknown-task"]
    )
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(
        description="One sentence.", examples=["task: expected one that is served, found 'flwers'"]
    )
    instance: str = Field(
        description="The path that was asked for.", examples=["/v1/tasks/flwers/predict"]
    )
    request_id: str = Field(
        description="Id of the request, as in X-Request-ID and in the server's log."
    )


class RankedLabel(BaseModel):
    """One label; it has a probability, or a score where the task's activation is "none"."""

    label: str = Field(examples=["7"])
    probability: float | None = Field(None, examples=[0.993])
    score: float | None = None


class Timings(BaseModel):
    """Milliseconds spent on one answer."""

    decode: float = Field(description="Decoding and preprocessing of the image.")
    queue: float = Field(description="Waiting for a place in a batch.")
    forward: float = Field(description="The forward of the whole batch.")
    total: float = Field(description="From the request's arrival to this answer.")


class PredictResult(BaseModel):
    """The answer of one task for one image."""

    image: int = Field(description="Position of the image in the request, from 0.")
    file: str | None = Field(
        None, description="The file name that the client gave.", examples=["seven.png"]
    )
    task: str = Field(examples=["digits"])
    version: int = Field(
        description="The version that answered: the one live when the request was admitted."
    )
    label: str | None = Field(
        None,
        description="With `abstain`: the best label; null if the image is none of the task's.",
        examples=["7"],
    )
    labels: list[str] | None = Field(
        None,
        description="With `abstain`, of a task with several labels on an image, in place of "
        "`label`: those that reach their thresholds.",
    )
    distance: float | None = Field(
        None,
        description="With `abstain`: how far the image is from the nearest class; around 1 for "
        "images like those that the task was learned from.",
        examples=[1.04],
    )
    threshold: float | None = Field(
        None, description="With `abstain`: the largest distance that gets a label.", examples=[1.3]
    )
    reason: str | None = Field(
        None, description="One sentence that says why there is no label, where there is none."
    )
    predictions: list[RankedLabel] = Field(description="Best first, `top_k` of them.")
    timings: Timings


class PredictResponse(BaseModel):
    """One result for each image and each task, image by image."""

    results: list[PredictResult]


MAX_VERSION = 999_999_999
"""Largest number of a version that a request may name."""

TaskCondition = Literal["live", "retired", "unavailable", "unpublished"]


class TaskSummary(BaseModel):
    """A task as it is served here."""

    model_config = ConfigDict(from_attributes=True)

    task: str = Field(examples=["digits"])
    state: TaskCondition = Field(
        description="live: it answers. unavailable: its live version cannot be served here, "
        "see `reason`. retired: it was live once. unpublished: no version was ever made live."
    )
    reason: str | None = Field(None, description="Why a task is unavailable.")
    note: str | None = Field(
        None,
        description="What of a live version could not be compared with the backbone, because its "
        "file has a fingerprint of the weights alone; or that a newer version is live in the store "
        "and could not be loaded yet.",
    )
    live: int | None = Field(None, description="Number of the live version.")
    versions: int | None = Field(
        None, description="How many versions the store holds; absent if it cannot be read."
    )
    method: str | None = Field(None, examples=["vpt-deep"])
    description: str | None = None
    labels: list[str] | None = None
    activation: str | None = None
    metrics: dict[str, float] | None = Field(
        None,
        description="Measured on held-out data when it was trained; the task's main one is first.",
    )
    size: int | None = Field(None, description="Bytes of the live version's task file.")
    place: Literal["device", "host", "store"] | None = Field(
        None,
        description="Where the live version is: on the device, in host memory, "
        "or only in the store.",
    )
    resident_bytes: int | None = Field(
        None, description="Bytes that it holds on the device, if it is there."
    )


class TaskList(BaseModel):
    """Tasks of the store, in the order of their names."""

    backbone: str = Field(examples=["facet-tiny"])
    fingerprint: str = Field(
        description="Hash of the backbone's weights, architecture and preprocessing: what an "
        "uploaded task must be made for."
    )
    tasks: list[TaskSummary]
    next: str | None = Field(
        None, description="What to ask for as `after` to get the next page; absent on the last."
    )


class VersionRecord(BaseModel):
    """One immutable version of a task."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    sha256: str
    size: int = Field(description="Bytes of the task file.")
    at: datetime
    by: str


class EventRecord(BaseModel):
    """One entry of a task's history."""

    model_config = ConfigDict(from_attributes=True)

    event: EventKind
    version: int
    at: datetime
    by: str


class TaskDetail(TaskSummary):
    """A task with its manifest, versions and history."""

    manifest: dict[str, Any] | None = Field(None, description="The live version's manifest.")
    history: list[EventRecord]
    stored: list[VersionRecord]

    @field_validator("manifest", mode="before")
    @classmethod
    def _manifest_document(cls, manifest: object) -> object:
        # From the prompts store's model to JSON's types, as the field declares.
        return manifest.document() if isinstance(manifest, Manifest) else manifest


class Published(BaseModel):
    """An upload that is in the store, durably."""

    task: str
    version: int
    sha256: str
    size: int
    live: bool = Field(description="Whether it answers from the next request on.")


class Activation(BaseModel):
    """Which version to make live."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=MAX_VERSION, strict=True, examples=[2])


class Live(BaseModel):
    """The version that answers from the next request on."""

    task: str
    version: int


class LabelCount(BaseModel):
    """A label of an instant task, and how many examples it has."""

    model_config = ConfigDict(from_attributes=True)

    label: str = Field(examples=["cat"])
    count: int = Field(examples=[5])


class LabelExamples(LabelCount):
    """A label of an instant task with the ids of its examples."""

    examples: list[str] = Field(examples=[["9f86d081884c7d65"]])


class TaskExamples(BaseModel):
    """The examples of an instant task."""

    model_config = ConfigDict(from_attributes=True)

    task: str
    version: int = Field(description="The live version, whose examples these are.")
    method: InstantKind
    labels: list[LabelExamples]


class ExamplesChanged(BaseModel):
    """The examples of an instant task after a change, in the version that answers now."""

    model_config = ConfigDict(from_attributes=True)

    task: str
    version: int = Field(
        description="The live version. Changes that arrive together share one, so it may hold "
        "those of others as well."
    )
    method: InstantKind
    labels: list[LabelCount]
    examples: list[str] = Field(
        description="Ids of what was sent, file by file, or of what was forgotten."
    )


class Probe(BaseModel):
    """Answer of a probe."""

    status: str = Field(examples=["ready"])
