"""Early refusal of calls for which there is no room.

Beyond saturation most calls are refused, and the processor time of a refusal is taken from the
calls that are answered. Therefore the most frequent call, one image for one task without options,
is refused by a single write as soon as its head has been read. Every other call takes the normal
path, which results in the same answer.
"""

import re
from collections.abc import Callable, Sequence

from starlette.datastructures import Headers

from facet_vision.service.access import Caller, Keyring
from facet_vision.service.errors import Forbidden, Overloaded, Unauthorized
from facet_vision.service.http.bodies import announced_bytes
from facet_vision.service.http.middleware.access import authorization_of
from facet_vision.service.http.middleware.request_ids import ids_of, tell
from facet_vision.service.http.problems import refusal_bytes
from facet_vision.service.predictor.wire import is_short
from facet_vision.service.telemetry.metrics import Metrics
from facet_vision.service.telemetry.request_log import Facts
from facet_vision.service.telemetry.traces import NoTracing, Tracing

_ONE_TASK = re.compile(rb"/v1/tasks/([^/?%]+)/predict")

ROUTE = "/v1/tasks/{task}/predict"
"""The template under which refused calls are counted, as in `RequestMetrics`."""

Header = tuple[bytes, bytes]


class Shedding:
    """Answer a call from its head alone, where it is to be refused.

    Args:
        refusal: returns why a task's queue has no room now; None if it has, or if that is not
            known.
        metrics: counts what is refused.
        keys: those of the server; whoever may not ask the task gets another answer elsewhere.
        tracing: makes the spans of what is refused.

    Attributes:
        count_rejection: of the metrics.
    """

    def __init__(
        self,
        refusal: Callable[[str], Overloaded | None],
        metrics: Metrics,
        keys: Keyring | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._refusal = refusal
        self._metrics = metrics
        self._keys = keys or Keyring()
        self._tracing = tracing or NoTracing()
        self.count_rejection = metrics.count_rejection

    def __call__(self, method: bytes, url: bytes, headers: Sequence[Header]) -> bytes | None:
        """Return the whole answer, head and body; None for a call that takes the normal path."""
        match = _ONE_TASK.fullmatch(url) if method == b"POST" else None
        if match is None:
            return None
        given, task = Headers(raw=list(headers)), match[1].decode("ascii", "replace")
        if not _keeps_connection(given):
            return None
        refused = self._refusal(task)
        caller = self._caller(given, task) if refused else None
        if refused is None or caller is None:
            return None
        path = url.decode("ascii")
        ids = ids_of(headers, self._tracing)
        with ids.known():
            status, answer = refusal_bytes(refused, path, self.count_rejection, ids=ids)
            self._metrics.count_request("POST", ROUTE, status, 0.0)
            tell(ids, "POST", status, 0.0, Facts(ROUTE, [task], key=caller.name))
        return answer

    def _caller(self, headers: Headers, task: str) -> Caller | None:
        """Return who asks, if they may ask the task."""
        try:
            caller = self._keys.caller(authorization_of(headers))
            caller.require("infer", task)
        except (Unauthorized, Forbidden):
            return None
        return caller


def _keeps_connection(headers: Headers) -> bool:
    """Return whether the body is short enough to be read for the sake of the connection.

    A client that sends `Expect` holds its body back until it is asked, so there is none to read.
    """
    return is_short(announced_bytes(headers)) and "expect" not in headers
