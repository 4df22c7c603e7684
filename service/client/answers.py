"""What a server answers, as frozen models.

They are the documents of the v1 API. A field that only a newer server knows is kept, so a client
may be older than its server.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True, extra="allow")

    def document(self) -> dict[str, Any]:
        """Return the JSON document that the server sent."""
        return self.model_dump(mode="json", exclude_unset=True)


class RankedLabel(Document):
    """A label with its probability, or its score where the task's activation is "none"."""

    label: str
    probability: float | None = None
    score: float | None = None

    @property
    def value(self) -> float:
        """The probability, or the score where there is none."""
        value = self.score if self.probability is None else self.probability
        assert value is not None
        return value


class Timings(Document):
    """Milliseconds that the server spent on one answer."""

    decode: float
    queue: float
    forward: float
    total: float


class PredictResult(Document):
    """The answer of one task for one image.

    Attributes:
        image: position among the images of the call, from 0.
        file: the name that was given with the image.
        version: that answered.
        label: where the task might abstain, the best label; None if the image is none of its own.
        labels: of a task with several labels on an image, in place of it: those that it gives.
        distance: how far the image is from the nearest class, around 1 for images like the task's.
        threshold: the largest distance that gets a label.
        reason: why there is no label, where there is none.
        predictions: best first.
    """

    image: int
    file: str | None = None
    task: str
    version: int
    label: str | None = None
    labels: tuple[str, ...] | None = None
    distance: float | None = None
    threshold: float | None = None
    reason: str | None = None
    predictions: tuple[RankedLabel, ...]
    timings: Timings

    @property
    def best(self) -> RankedLabel:
        """The first of the labels."""
        return self.predictions[0]


class PredictResponse(Document):
    """The answer to one request."""

    results: tuple[PredictResult, ...]


class Embedding(Document):
    """The pooled feature of one image under a task's prompts, or of the bare backbone.

    Attributes:
        model: the task, or `backbone`.
        version: the task's version, 0 of the backbone. Embeddings of two versions do not mix.
        vector: numbers of float32.
    """

    image: int
    file: str | None = None
    model: str
    version: int
    vector: tuple[float, ...]


class TaskSummary(Document):
    """A task as it is served; `GET /v1/tasks` in the server's /docs describes every field."""

    task: str
    state: str
    reason: str | None = None
    note: str | None = None
    live: int | None = None
    versions: int | None = None
    method: str | None = None
    description: str | None = None
    labels: tuple[str, ...] | None = None
    activation: str | None = None
    metrics: dict[str, float] | None = None
    size: int | None = None
    place: str | None = None
    resident_bytes: int | None = None


class TaskList(Document):
    """All tasks that the key may see, by name, with the backbone that serves them."""

    backbone: str
    fingerprint: str
    tasks: tuple[TaskSummary, ...]
    next: str | None = None


class VersionRecord(Document):
    """One immutable version of a task."""

    number: int
    sha256: str
    size: int
    at: datetime
    by: str


class EventRecord(Document):
    """One entry of a task's history."""

    event: str
    version: int
    at: datetime
    by: str


class TaskDetail(TaskSummary):
    """A task with its manifest, versions and history."""

    manifest: dict[str, Any] | None = None
    history: tuple[EventRecord, ...]
    stored: tuple[VersionRecord, ...]


class Published(Document):
    """A task file that is in the store, durably."""

    task: str
    version: int
    sha256: str
    size: int
    live: bool


class Live(Document):
    """The version that answers from the next request on."""

    task: str
    version: int


class LabelCount(Document):
    """A label of an instant task, and how many examples it has."""

    label: str
    count: int


class LabelExamples(LabelCount):
    """A label of an instant task with the ids of its examples."""

    examples: tuple[str, ...]


class TaskExamples(Document):
    """The examples of an instant task."""

    task: str
    version: int
    method: str
    labels: tuple[LabelExamples, ...]


class ExamplesChanged(Document):
    """The examples of an instant task after a change, in the version that answers now.

    Attributes:
        version: also of other changes that arrived together with this one.
        examples: ids of what was sent, image by image, or of what was forgotten.
    """

    task: str
    version: int
    method: str
    labels: tuple[LabelCount, ...]
    examples: tuple[str, ...]


class EncodedEmbedding(Document):
    """One entry of an answer of `POST /v1/embeddings`."""

    index: int
    embedding: str


class EmbeddingList(Document):
    """The answer of `POST /v1/embeddings`."""

    object: Literal["list"]
    data: tuple[EncodedEmbedding, ...]
    model: str
    version: int
