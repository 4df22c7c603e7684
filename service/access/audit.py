"""The record of changes: one line of JSON for each that was asked for, those refused included."""

import json
import logging
from datetime import UTC, datetime
from typing import Literal

logger = logging.getLogger("facet.audit")

Outcome = Literal["done", "refused", "failed", "unanswered"]

MAX_TEXT = 200
"""Longest text of a client that a line repeats."""


def record(
    *,
    who: str,
    where: str,
    what: str,
    outcome: Outcome,
    task: str | None = None,
    version: int | None = None,
    sha256: str | None = None,
    reason: str | None = None,
    request: str = "",
) -> None:
    """Write the line of one change, at the level info of the logger `facet.audit`.

    Args:
        who: name of the key; empty where none was shown, or none holds.
        where: address of the client.
        what: the call, such as `PUT /v1/tasks/pets/live`.
        outcome: `done`; `refused` by a check, or `failed` by a fault; `unanswered` if the server
            ended before it was known.
        task, version: what it concerns, as far as that is known.
        sha256: of the version's task file, or of the file that was refused.
        reason: why it was refused, as the end of a problem's type.
        request: id of the request.
    """
    fields = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "by": who,
        "from": where,
        "what": what[:MAX_TEXT],
        "task": task and task[:MAX_TEXT],
        "version": version,
        "sha256": sha256,
        "outcome": outcome,
        "reason": reason,
        "request": request,
    }
    logger.info("%s", json.dumps({name: value for name, value in fields.items() if value}))
