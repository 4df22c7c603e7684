"""What the log tells of requests: one line for each, and the id of its request in every other."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger("facet.requests")

SHOWN_TASKS = 16
"""Most tasks that a line names; of the others it gives the number."""

current: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered; empty outside of one.

Tasks that a request starts inherit it, and with HTTP workers it travels with the request.
"""


@dataclass(slots=True)
class Facts:
    """What is found out of a request while it is answered.

    Attributes:
        route: the template of its path; never the path, in which a client can write anything.
        tasks: names that it asks for; empty where it asks for all, or for none.
        images: how many it sends.
        key: name of the key that it shows, never the key.
        passed_on: whether another process answers it, and tells of it.
    """

    route: str = "unmatched"
    tasks: Sequence[str] = ()
    images: int = 0
    key: str = ""
    passed_on: bool = False


_facts: ContextVar[Facts | None] = ContextVar("facts", default=None)


@contextmanager
def noting(facts: Facts) -> Iterator[None]:
    """Let `note` in the block, and in the tasks that it starts, fill these facts."""
    token = _facts.set(facts)
    try:
        yield
    finally:
        _facts.reset(token)


def note(**found: Any) -> None:
    """Note facts of the current request by their names; outside of one nothing happens."""
    if facts := _facts.get():
        for name, value in found.items():
            setattr(facts, name, value)


@dataclass(frozen=True, slots=True)
class RequestLine:
    """The message of the line for a request; `fields` is the same for machines."""

    method: str
    status: int
    seconds: float
    facts: Facts

    @property
    def fields(self) -> dict[str, Any]:
        """What the line tells; without what there is none of."""
        facts = self.facts
        found: dict[str, Any] = {
            "method": self.method,
            "route": facts.route,
            "status": self.status,
            "seconds": round(self.seconds, 6),
        }
        if facts.tasks:
            found["tasks"] = list(facts.tasks[:SHOWN_TASKS])
        if (more := len(facts.tasks) - SHOWN_TASKS) > 0:
            found["more_tasks"] = more
        if facts.images:
            found["images"] = facts.images
        if facts.key:
            found["key"] = facts.key
        return found

    def __str__(self) -> str:
        fields = self.fields
        line = f"{self.method} {self.facts.route} {self.status} {self.seconds:.4f} s"
        if "tasks" in fields:
            names = ",".join(ascii(name)[1:-1] for name in fields["tasks"])
            more = f",… {fields['more_tasks']} more" if "more_tasks" in fields else ""
            line += f" tasks={names}{more}"
        if "images" in fields:
            line += f" images={fields['images']}"
        return f"{line} key={ascii(self.facts.key)[1:-1]}" if "key" in fields else line


def log_request(method: str, status: int, seconds: float, facts: Facts) -> None:
    """Write the line for a request that was answered."""
    if not facts.passed_on and logger.isEnabledFor(logging.INFO):
        logger.info(RequestLine(method, status, seconds, facts))


class IdFilter(logging.Filter):
    """Adds the id of the current request to a log line that does not tell it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add it; every record passes."""
        if identity := current.get():
            record.msg = f"{record.msg} [request {identity.replace('%', '%%')}]"
        return True
