"""The history of a task: immutable events, and the state that they add up to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from .errors import DamagedObject, VersionDeleted, VersionNotFound

MAX_BY_LENGTH = 200

EventKind = Literal["publish", "activate", "retire", "delete"]
"""What happened to a version. A reader refuses a history with a kind that it does not know, rather
than show a state that may not be the true one; so no format number is needed for another kind."""


class Event(BaseModel):
    """One entry of a task's history: who did what to which version, and when."""

    # A later release may add fields; this one then reads those that it knows.
    model_config = ConfigDict(frozen=True, extra="ignore")

    event: EventKind
    version: Annotated[int, Field(ge=1)]
    at: AwareDatetime
    by: Annotated[str, Field(min_length=1, max_length=MAX_BY_LENGTH)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0)]

    def to_bytes(self) -> bytes:
        """Return the JSON that is stored."""
        return self.model_dump_json().encode()

    @classmethod
    def from_bytes(cls, data: bytes, path: str) -> Self:
        """Parse; raise DamagedObject, naming `path`, when the bytes are not an event."""
        try:
            return cls.model_validate_json(data, strict=True)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in fault["loc"]) or "JSON"
            raise DamagedObject(
                f"object '{path}': expected an event, found a fault in {field}: {fault['msg']}"
            ) from None


@dataclass(frozen=True)
class Version:
    """One published task file: number, sha256 (hex), size in bytes, time and publisher."""

    number: int
    sha256: str
    size: int
    at: datetime
    by: str


@dataclass(frozen=True)
class TaskState:
    """The state of one task after its events.

    Attributes:
        live: number of the live version, if any.
        versions: those that are stored, ascending.
        head: number of the last event. It may exceed the number of events where an operator removed
            one.
        deleted: numbers of the versions that were deleted.
    """

    name: str
    live: int | None
    versions: tuple[Version, ...]
    events: tuple[Event, ...]
    head: int
    deleted: frozenset[int] = frozenset()

    @property
    def last(self) -> int:
        """The highest number that any version ever had; 0 if there was none."""
        return max((*self.deleted, *(version.number for version in self.versions)), default=0)

    def version(self, number: int) -> Version:
        """Return the version with this number; raise VersionNotFound or VersionDeleted."""
        for version in self.versions:
            if version.number == number:
                return version
        if number in self.deleted:
            raise VersionDeleted(
                f"version of task '{self.name}': expected one that is stored, found {number}, "
                "which was deleted"
            )
        known = f"1 to {self.versions[-1].number}" if self.versions else "none"
        raise VersionNotFound(
            f"version of task '{self.name}': expected a published one ({known}), found {number}"
        )


def fold(name: str, events: Sequence[Event], head: int) -> TaskState:
    """Return the state of task `name` after `events`, the last of which has the number `head`."""
    live: int | None = None
    versions: dict[int, Version] = {}
    deleted: set[int] = set()
    for event in events:
        match event.event:
            case "publish" if event.version not in deleted:
                # A publish that was written twice, since the network hid its success, counts once.
                versions.setdefault(
                    event.version,
                    Version(event.version, event.sha256, event.size, event.at, event.by),
                )
            case "activate":
                live = event.version
            case "retire":
                live = None
            case "delete":
                versions.pop(event.version, None)
                deleted.add(event.version)
    ordered = tuple(versions[number] for number in sorted(versions))
    return TaskState(name, live, ordered, tuple(events), head, frozenset(deleted))
