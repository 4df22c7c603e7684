"""What a server answers about what it shows; see `client.answers`."""

from facet_vision.service.client.answers import Document, EventRecord

Grid = tuple[tuple[float, ...], ...]


class Explanation(Document):
    """Where the backbone's class token looks in an image, with the task and without.

    Attributes:
        box: left, top, right and bottom of what the patches cover, in fractions of the upright
            image.
        adapted, bare: row by row, the share of the attention that each patch gets under the task,
            and in the bare backbone.
    """

    task: str
    version: int
    rows: int
    columns: int
    box: tuple[float, float, float, float]
    adapted: Grid
    bare: Grid


class Sample(Document):
    """An image that a task's file carries."""

    label: str
    media_type: str


class SampleList(Document):
    """The samples of a task's live version, in the order of their numbers from 0."""

    samples: tuple[Sample, ...]


class TaskEvent(EventRecord):
    """One entry of the history of a task."""

    task: str


class EventList(Document):
    """The last events of all tasks together, the newest first.

    Attributes:
        unread: number of tasks whose events are missing, since the server has not read them.
    """

    events: tuple[TaskEvent, ...]
    unread: int
