"""Which errors a call can be answered with, in words, for the OpenAPI document."""

from collections.abc import Set
from typing import NamedTuple

from facet_vision.service.http.problems import STATUS


class Told(NamedTuple):
    """An error, as the document tells it.

    Attributes:
        when: it is answered.
        calls: what a call has or does, of which one makes this error possible.
    """

    when: str
    calls: Set[str]


_ANY = {"any"}
_CHANGE = {"publish"}
_INFER = {"infer"}
_IMAGES = {"infer", "learns"}

ERRORS = {
    "bad-request": Told("The request is not what HTTP or the protocol says.", _ANY),
    "unauthorized": Told("No key is shown, or one that does not hold.", {"keyed"}),
    "forbidden": Told("The key lacks the scope, or does not cover the task.", {"keyed"}),
    "foreign-origin": Told("A web page of another site has sent it.", _ANY),
    "unknown-host": Told("The server is asked under a name that is not its own.", _ANY),
    "head-timeout": Told("The headers arrive too slowly.", _ANY),
    "head-too-large": Told("The headers are over their limits.", _ANY),
    "invalid-parameter": Told("A parameter has no valid value, or is not known.", _ANY),
    "too-many-connections": Told("The server has no room for another connection.", _ANY),
    "draining": Told("The server shuts down.", _ANY),
    "engine-gone": Told("The engine's process has ended; it is started again.", _ANY),
    "body-timeout": Told("The body arrives too slowly.", {"body"}),
    "too-large": Told("The body, or a part of it, is over its limit.", {"body"}),
    "unsupported-encoding": Told("The body is in a coding that is not read.", {"body"}),
    "unsupported-media": Told("The body is of a type that is not read.", {"body"}),
    "invalid-body": Told("The body does not fit its schema.", {"body"}),
    "overloaded": Told("The server has no room for more work.", {"body"}),
    "unknown-task": Told("There is no such task, or none that answers.", {"task", "infer"}),
    "unknown-version": Told("The task has no such version.", {"version", "publish"}),
    "invalid-task-name": Told("No task may have this name.", {"task"}),
    "store-unavailable": Told("The store cannot be read or written.", {"task", "listing"}),
    "damaged-object": Told("A file of the store is damaged.", {"task"}),
    "bad-image": Told("Bytes are no image that can be read.", _IMAGES | {"sends"}),
    "unfit-task": Told("The task is made for another backbone.", _INFER | _CHANGE),
    "task-unavailable": Told("The task is live and cannot be served here.", {"infer", "examples"}),
    "unknown-sample": Told("The task's live version has no such sample.", {"sample"}),
    "no-threshold": Told("`abstain` is asked of a task that states no threshold.", {"abstain"}),
    "device-full": Told("Tasks in use fill the device.", _INFER | _CHANGE),
    "loading": Told("Too many tasks are being loaded already.", _INFER),
    "too-many-requests": Told("The key has no images left for now.", _IMAGES),
    "deadline-unreachable": Told("The work that waits takes longer than `timeout_ms`.", _INFER),
    "deadline-exceeded": Told("There was no answer in time.", _IMAGES),
    "unsupported-backbone": Told("The backbone has no class token.", {"explains"}),
    "forward-failed": Told("The forward has failed.", _IMAGES),
    "not-instant": Told(
        "The task has no examples, or is of another method or adaptation.", {"examples"}
    ),
    "invalid-example": Told("The label can be none.", {"learns", "labels"}),
    "unknown-example": Told("The task has no such label or example.", {"examples"}),
    "too-many-examples": Told("The task would have more than it may have.", {"learns"}),
    "last-example": Told("The task would have none left.", {"examples"}),
    "unknown-training": Told("There is no such training.", {"training"}),
    "unknown-image": Told("The training has no such image.", {"image"}),
    "training-state": Told("The training cannot do this in its state.", {"training"}),
    "training-full": Told("There would be more than there may be.", {"trains"}),
    "trainings-off": Told("The server trains nothing.", {"trains"}),
    "bad-task-file": Told("The bytes are no valid task file.", _CHANGE),
    "not-live": Told("The task is not live.", _CHANGE),
    "version-live": Told("The version is live.", _CHANGE),
    "store-full": Told("The store has no space left.", _CHANGE),
    "unexpected": Told("A fault of the server.", _ANY),
}
"""By reason; the statuses are those of `problems.STATUS`."""

_STATUS_OF = {reason: status for status, reason in STATUS.values()} | {"unexpected": 500}


def errors_of(calls: Set[str]) -> dict[int, str]:
    """Return the statuses that a call can be refused with, each with its reasons as Markdown.

    Args:
        calls: what the call has or does; see `Told`.
    """
    found: dict[int, list[str]] = {}
    for reason, told in ERRORS.items():
        if told.calls & calls:
            found.setdefault(_STATUS_OF[reason], []).append(f"- `{reason}`: {told.when}")
    return {status: "\n".join(lines) for status, lines in sorted(found.items())}
