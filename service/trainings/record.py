"""A training: immutable events, and the state that they add up to."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from facet_vision.prompts_store import DamagedObject

State = Literal["collecting", "queued", "running", "done", "failed", "cancelled", "interrupted"]
STATES: tuple[State, ...] = get_args(State)

Method = Literal[
    "auto",
    "linear",
    "vpt-deep",
    "vpt-shallow",
    "lora",
    "adaptformer",
    "bias",
    "ssf",
    "vpt-deep+lora",
]
"""What a training may be asked for: methods whose task files a server can serve."""


class Image(BaseModel):
    """A labelled image.

    Attributes:
        id: the first digits of the SHA-256 of its bytes.
        label: that somebody gave it.
        file: name that the client gave it, only echoed.
        name: of the object with its bytes, which the server chose.
        size: of its bytes.
        media_type: by its header.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    label: str
    file: str | None
    name: str
    size: int
    media_type: str


class Event(BaseModel):
    """What happened to a training, when, and who did it."""

    # A later release may add fields; this one then reads those that it knows.
    model_config = ConfigDict(frozen=True, extra="ignore")

    at: AwareDatetime
    by: str


class Created(Event):
    """It was created; `keep_seconds` later it is deleted, never if that is None."""

    event: Literal["create"] = "create"
    task: str
    method: Method
    budget_seconds: int | None
    keep_seconds: int | None


class Added(Event):
    """Images came, or were given another label by being sent again."""

    event: Literal["add"] = "add"
    images: tuple[Image, ...]


class Labelled(Event):
    """An image got another label."""

    event: Literal["label"] = "label"
    image: str
    label: str


class Removed(Event):
    """An image was removed."""

    event: Literal["remove"] = "remove"
    image: str


class Queued(Event):
    """It waits for its turn at a server; `resumed` if it had begun there before."""

    event: Literal["queue"] = "queue"
    owner: str
    resumed: bool = False


class Begun(Event):
    """A server began to train it."""

    event: Literal["begin"] = "begin"
    owner: str


class Cancelled(Event):
    """Somebody cancelled it."""

    event: Literal["cancel"] = "cancel"


class Failed(Event):
    """`facet train` failed; `error` is its sentence."""

    event: Literal["fail"] = "fail"
    error: str


class Done(Event):
    """It is trained: the result, and the name of the object that has the task file."""

    event: Literal["done"] = "done"
    result: dict[str, Any]
    file: str


class PublishedAs(Event):
    """Its task file became a version of its task."""

    event: Literal["publish"] = "publish"
    version: int


class Deleted(Event):
    """It is deleted; whatever is left of it goes."""

    event: Literal["delete"] = "delete"


AnyEvent = Annotated[
    Created
    | Added
    | Labelled
    | Removed
    | Queued
    | Begun
    | Cancelled
    | Failed
    | Done
    | PublishedAs
    | Deleted,
    Field(discriminator="event"),
]
_EVENT: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)


def read_event(data: bytes, path: str) -> AnyEvent:
    """Parse an event; raise DamagedObject, naming `path`, when the bytes are none."""
    try:
        return _EVENT.validate_json(data)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise DamagedObject(
            f"object '{path}': expected an event of a training, found a fault: {fault['msg']}"
        ) from None


@dataclass(frozen=True)
class Training:
    """A training as of its last event.

    Attributes:
        id: made by the server.
        head: number of the last event.
        plan: what was asked for.
        state: as the events say it; that its server may have ended they cannot know.
        images: by id, in the order in which they came.
        run: how often it was started.
        owner: the server at which it waits or runs, or did last.
        started, ended: of the last run.
        result: of the last run, once it is done.
        file: name of the object with the task file.
        error: why the last run failed.
        published: the version that its file became.
        deleted: whether it is to be no more.
    """

    id: str
    head: int
    plan: Created
    state: State = "collecting"
    images: dict[str, Image] = field(default_factory=dict)
    run: int = 0
    owner: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    result: dict[str, Any] | None = None
    file: str | None = None
    error: str | None = None
    published: int | None = None
    deleted: bool = False

    @property
    def busy(self) -> bool:
        """Whether it waits for its turn or is trained, as far as the events know."""
        return self.state in ("queued", "running")

    @property
    def delete_at(self) -> datetime | None:
        """When it is deleted; None for never."""
        kept = self.plan.keep_seconds
        return None if kept is None else self.plan.at + timedelta(seconds=kept)

    @property
    def labels(self) -> dict[str, int]:
        """How many images each label has, in the order of the labels."""
        return dict(sorted(Counter(image.label for image in self.images.values()).items()))


def fold(id: str, events: Sequence[AnyEvent]) -> Training:
    """Return the training that the events, from the first on, add up to.

    Raises:
        DamagedObject: the first one does not create it.
    """
    if not events or not isinstance(events[0], Created):
        raise DamagedObject(f"training '{id}': expected its creation as first event, found none")
    training = Training(id, 1, events[0])
    for event in events[1:]:
        training = after(training, event)
    return training


def after(training: Training, event: AnyEvent) -> Training:
    """Return the training after one more event."""
    changed = replace(training, head=training.head + 1)
    images = dict(training.images)
    match event:
        case Added():
            images.update((image.id, image) for image in event.images)
            return replace(changed, images=images)
        case Labelled():
            images[event.image] = images[event.image].model_copy(update={"label": event.label})
            return replace(changed, images=images)
        case Removed():
            del images[event.image]
            return replace(changed, images=images)
        case Queued(resumed=True):
            return replace(changed, state="queued", owner=event.owner)
        case Queued():
            # A new run: nothing is left of the one before.
            return Training(
                training.id,
                changed.head,
                training.plan,
                "queued",
                images,
                training.run + 1,
                event.owner,
            )
        case Begun():
            began = training.started or event.at
            return replace(changed, state="running", owner=event.owner, started=began)
        case Cancelled():
            return replace(changed, state="cancelled", ended=event.at)
        case Failed():
            return replace(changed, state="failed", ended=event.at, error=event.error)
        case Done():
            return replace(
                changed, state="done", ended=event.at, result=event.result, file=event.file
            )
        case PublishedAs():
            return replace(changed, published=event.version)
        case Deleted():
            return replace(changed, deleted=True)
        case Created():
            raise DamagedObject(f"training '{training.id}': expected one creation, found another")
