"""Documents of the calls about trainings."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from facet_vision.prompts_store.manifest import MAX_LABEL_LENGTH
from facet_vision.prompts_store.names import MAX_LENGTH
from facet_vision.service.http.parameters import TASK_NAME
from facet_vision.service.trainings.record import Image, Method, State, Training

YEAR_SECONDS = 366 * 24 * 3600


class NewTraining(BaseModel):
    """What to train."""

    model_config = ConfigDict(extra="forbid")

    task: str = Field(
        examples=["pets"],
        json_schema_extra={"pattern": f"^{TASK_NAME}$", "maxLength": MAX_LENGTH},
    )
    method: Method = Field(
        "auto", description="Of `facet train`; auto tries several and takes the best."
    )
    budget_seconds: int = Field(
        120,
        ge=1,
        le=24 * 3600,
        strict=True,
        description="With method auto: for trying methods and the training with the best.",
    )
    keep_seconds: int | None = Field(
        24 * 3600,
        ge=60,
        le=YEAR_SECONDS,
        strict=True,
        description="So long after its creation it is deleted, with its images; null: never.",
    )


class LabelImages(BaseModel):
    """A label, and how many images it has."""

    label: str = Field(examples=["cat"])
    count: int = Field(examples=[5])


class Progress(BaseModel):
    """How far a training is."""

    phase: str = Field(description="reading, trying, training or measuring.", examples=["trying"])
    done: int | None = Field(None, description="Methods or epochs that are done.")
    total: int | None = Field(None, description="Of so many.")
    loss: float | None = Field(None, description="Mean loss of the epoch.")
    score: float | None = Field(None, description="On the validation part.")
    method: str | None = Field(None, description="The one that is tried, or trained.")


class TrainingSummary(BaseModel):
    """A training without its result."""

    id: str = Field(examples=["0123456789abcdef"])
    task: str = Field(examples=["pets"])
    method: Method
    state: State = Field(
        description="collecting: it takes images. queued, running: it trains. done, failed, "
        "cancelled: it has. interrupted: its server cannot be seen any more; start it again."
    )
    by: str = Field(description="Who created it.")
    created: datetime
    started: datetime | None
    ended: datetime | None
    delete_at: datetime | None = Field(description="When it is deleted; null: never.")
    labels: list[LabelImages]
    progress: Progress | None
    error: str | None = Field(description="Why it failed.")
    published: int | None = Field(description="The version that its task file became.")


class WrongImage(BaseModel):
    """A held-out image that was answered wrongly."""

    image: str = Field(description="Its id.")
    label: str
    predicted: str
    probability: float = Field(description="Of the answer.")


class DoubtfulImage(BaseModel):
    """A training image that may have the wrong label."""

    image: str = Field(description="Its id.")
    label: str
    suggested: str
    probability: float = Field(description="Of its own label, by a head that has not seen it.")


class CurvePoint(BaseModel):
    """An epoch of the learning curve."""

    epoch: int
    loss: float
    score: float | None = None


class TrainingResult(BaseModel):
    """What came of a training."""

    method: str
    metrics: dict[str, float]
    held_out_images: int
    accuracy: float
    interval: tuple[float, float] = Field(description="Wilson's 95 % interval of the accuracy.")
    labels: list[str]
    confusion: list[list[int]] = Field(description="By label (rows) and answer (columns).")
    wrong: list[WrongImage] = Field(description="The surest first.")
    doubtful: list[DoubtfulImage] = Field(description="The worst first.")
    curve: list[CurvePoint]
    seconds: float
    size: int = Field(description="Bytes of the task file.")


class TrainingDetail(TrainingSummary):
    """A training with its result."""

    result: TrainingResult | None


class TrainingList(BaseModel):
    """Trainings in the order of their creation."""

    trainings: list[TrainingSummary]


class TrainingImage(BaseModel):
    """An image of a training."""

    id: str = Field(description="The first digits of the SHA-256 of its bytes.")
    label: str
    file: str | None = Field(description="The name that it was sent with.")


class TrainingImages(BaseModel):
    """Images of a training, in the order in which they came."""

    images: list[TrainingImage]


class ImageLabel(BaseModel):
    """The label of an image."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(min_length=1, max_length=MAX_LABEL_LENGTH, examples=["cat"])


class PublishTraining(BaseModel):
    """Whether the version is to be live at once."""

    model_config = ConfigDict(extra="forbid")

    activate: bool = Field(True, strict=True)


def summary(training: Training, progress: Mapping[str, Any] | None) -> TrainingSummary:
    """Return a training's document without its result."""
    return TrainingSummary(**_fields(training, progress))


def detail(training: Training, progress: Mapping[str, Any] | None) -> TrainingDetail:
    """Return a training's document."""
    result = None if training.result is None else TrainingResult(**training.result)
    return TrainingDetail(**_fields(training, progress), result=result)


def image(found: Image) -> TrainingImage:
    """Return an image's document."""
    return TrainingImage(id=found.id, label=found.label, file=found.file)


def _fields(training: Training, progress: Mapping[str, Any] | None) -> dict[str, Any]:
    plan = training.plan
    counts = training.labels.items()
    return {
        "id": training.id,
        "task": plan.task,
        "method": plan.method,
        "state": training.state,
        "by": plan.by,
        "created": plan.at,
        "started": training.started,
        "ended": training.ended,
        "delete_at": training.delete_at,
        "labels": [LabelImages(label=label, count=count) for label, count in counts],
        "progress": None if progress is None else Progress(**progress),
        "error": training.error,
        "published": training.published,
    }
