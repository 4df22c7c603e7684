"""What a server answers about trainings."""

from datetime import datetime
from typing import Any

from facet_vision.service.client.answers import Document, LabelCount


class TrainingSummary(Document):
    """A training without its result; `/docs` of the server describes every field."""

    id: str
    task: str
    method: str
    state: str
    by: str
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    delete_at: datetime | None = None
    labels: tuple[LabelCount, ...] = ()
    progress: dict[str, Any] | None = None
    error: str | None = None
    published: int | None = None

    @property
    def busy(self) -> bool:
        """Whether it waits for its turn or is trained."""
        return self.state in ("queued", "running")


class SingleImage(Document):
    """An image that a result points at.

    Attributes:
        image: its id.
        label: that it has.
        predicted: the wrong answer, of an image that was held out.
        suggested: what a head says that has not seen it, of one whose label is doubtful.
        probability: of the wrong answer, or of its own label.
    """

    image: str
    label: str
    predicted: str | None = None
    suggested: str | None = None
    probability: float


class TrainingResult(Document):
    """What came of a training.

    Attributes:
        interval: Wilson's 95 % interval of the accuracy.
        confusion: held-out images by label (rows) and answer (columns).
        wrong: held-out images that were answered wrongly, the surest first.
        doubtful: images that may have the wrong label, the worst first.
        curve: epoch, loss and, where there is one, score of each epoch.
        size: bytes of the task file.
    """

    method: str
    metrics: dict[str, float]
    held_out_images: int
    accuracy: float
    interval: tuple[float, float]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    wrong: tuple[SingleImage, ...]
    doubtful: tuple[SingleImage, ...]
    curve: tuple[dict[str, float | None], ...]
    seconds: float
    size: int


class TrainingDetail(TrainingSummary):
    """A training with its result."""

    result: TrainingResult | None = None


class TrainingList(Document):
    """Trainings in the order of their creation."""

    trainings: tuple[TrainingSummary, ...]


class TrainingImage(Document):
    """An image of a training."""

    id: str
    label: str
    file: str | None = None


class TrainingImages(Document):
    """Images of a training, in the order in which they came."""

    images: tuple[TrainingImage, ...]
