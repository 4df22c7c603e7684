"""Refusing calls for which there is no room before the usual machinery runs for them.

Beyond saturation most calls are refused, and what that costs the processor is missing for those that are answered. So
the commonest call, one image for one task on its own terms, is refused as soon as its head has been read, by one write.
All else goes the usual way, which comes to the same answer.
"""

import re
from collections.abc import Callable, Sequence

from starlette.datastructures import Headers

from facet_vision.service.errors import Overloaded
from facet_vision.service.http.bodies import announced
from facet_vision.service.http.problems import refusal_bytes
from facet_vision.service.predictor.wire import is_short
from facet_vision.service.telemetry.metrics import Metrics

_ONE_TASK = re.compile(rb"/v1/tasks/([^/?%]+)/predict")
ROUTE = "/v1/tasks/{task}/predict"

Header = tuple[bytes, bytes]


class Shedding:
    """Says what a call is answered without having been looked at any further.

    Args:
        refusal: why a task cannot be asked now for want of room; None if it can, or if that is not known.
        metrics: counts what is refused.
    """

    def __init__(self, refusal: Callable[[str], Overloaded | None], metrics: Metrics) -> None:
        self._refusal, self._metrics = refusal, metrics

    def __call__(self, method: bytes, url: bytes, headers: Sequence[Header]) -> bytes | None:
        """The whole answer, head and body; None for a call that goes the usual way."""
        asked = _ONE_TASK.fullmatch(url) if method == b"POST" else None
        if asked is None or not _stays(Headers(raw=list(headers))):
            return None
        refused = self._refusal(asked[1].decode("ascii", "replace"))
        if refused is None:
            return None
        status, answer = refusal_bytes(refused, url.decode("ascii"), self._metrics.count_rejection)
        self._metrics.count_request("POST", ROUTE, status, 0.0)
        return answer


def _stays(headers: Headers) -> bool:
    """Whether a body follows that is worth reading to keep the connection, and follows unasked."""
    return is_short(announced(headers)) and "expect" not in headers
