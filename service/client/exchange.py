"""One call of the client: its requests, retries and deadline, without doing any of it.

What a call needs done it yields, as a `Send`, a `Wait` or a `Read`; `client` does it at once and
`async_client` awaits it. So both are the same in all else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import count
from time import monotonic
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError

from .answers import Document
from .errors import ClientError, NoServer, refusal

Answered = TypeVar("Answered", bound=Document)
T = TypeVar("T")

TOO_MANY = HTTPStatus.TOO_MANY_REQUESTS
LOST = (httpx.NetworkError, httpx.ConnectTimeout, httpx.RemoteProtocolError)
"""A connection that was not made or broke. A server that takes too long is not asked again."""
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout)


@dataclass(frozen=True)
class Retries:
    """How often and how patiently a call is made again.

    That happens after 429, 503 and broken connections, but not after a 503 of a Facet server that
    names no time to wait: such a task is answered again only once somebody mends it. The wait is
    what the server's Retry-After says, and beside it a random time, of which the longest doubles
    with each try: clients that were refused together do not come back together.

    Attributes:
        times: after the first try; 0 for none.
        first: longest random seconds before the first retry.
        most: longest seconds that are waited; where the server asks for more, the call fails.
        connect: whether to try again where no connection could be made.
    """

    times: int = 4
    first: float = 0.1
    most: float = 30.0
    connect: bool = True


@dataclass(frozen=True)
class Send:
    """A request to be sent; the arguments of httpx."""

    method: str
    path: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Wait:
    """A pause before the next request."""

    seconds: float


@dataclass(frozen=True)
class Read:
    """Files to be read, which may block.

    Attributes:
        read: what does it. What it returns comes of this step, and what it raises ends the call.
    """

    read: Callable[[], bytes | Sequence[tuple[Any, bytes]]]


Outcome = httpx.Response | httpx.RequestError | bytes | Sequence[tuple[Any, bytes]] | None
Steps = Generator[Send | Wait | Read, Outcome, T]
"""A call: takes what came of each step, and returns its answer."""


class Exchange:
    """The requests of one call.

    Args:
        url: of the server, for sentences.
        retries: for each request.
        timeout: seconds for each step of a request.
        deadline: seconds for the whole call from now; None for no limit.
    """

    def __init__(
        self, url: str, retries: Retries, timeout: float, deadline: float | None = None
    ) -> None:
        self._url = url
        self._retries = retries
        self._timeout = timeout
        self._deadline = deadline
        self._ends = None if deadline is None else monotonic() + deadline

    def get(self, kind: type[Answered], method: str, path: str, **request: Any) -> Steps[Answered]:
        """Send a request, and return its answer as a document.

        Raises:
            NoServer: the answer is something else.
            ClientError: see `send`.
        """
        response = yield from self.send(method, path, **request)
        try:
            return kind.model_validate_json(response.content)
        except ValidationError:
            raise NoServer(
                f"{self._url}: expected a Facet server, found something else", response.status_code
            ) from None

    def send(
        self,
        method: str,
        path: str,
        *,
        idempotent: bool = True,
        counts_down: bool = False,
        **options: Any,
    ) -> Steps[httpx.Response]:
        """Send a request until it succeeds or may not be repeated.

        Args:
            idempotent: whether it may be sent again when it is not known what came of it.
            counts_down: whether the server takes `timeout_ms`, to be told of the deadline.

        Raises:
            ClientError: the server refuses, cannot be reached, or has no more time.
        """
        for tried in count():
            outcome = yield Send(method, path, self._in_time(options, counts_down))
            if isinstance(outcome, httpx.Response):
                if outcome.is_success:
                    return outcome
                asked = _asked_to_wait(outcome)
                error = refusal(outcome, asked)
                again = _may_pass(error) and (idempotent or error.status == TOO_MANY)
            else:
                assert isinstance(outcome, httpx.RequestError)
                error, again = self._lost(outcome), self._may_repeat(outcome, idempotent)
            wait = self._wait(tried, error.retry_after or 0.0) if again else None
            if wait is None:
                raise error from (outcome if isinstance(outcome, Exception) else None)
            yield Wait(wait)
        raise AssertionError("count() has no end")

    def _in_time(self, options: dict[str, Any], counts_down: bool) -> dict[str, Any]:
        """Return the options of a request that takes no longer than what is left.

        Raises:
            ClientError: nothing is left.
        """
        if self._ends is None:
            return options | {"timeout": self._timeout}
        if (left := self._ends - monotonic()) <= 0:
            raise self._late()
        more: dict[str, Any] = {"timeout": min(self._timeout, left)}
        if counts_down:
            more["params"] = options.get("params", {}) | {"timeout_ms": f"{left * 1000:.3f}"}
        return options | more

    def _wait(self, tried: int, at_least: float) -> float | None:
        """Return the seconds to wait before the next try; None if there should be none."""
        if tried >= self._retries.times or at_least > self._retries.most:
            return None
        jitter = random.uniform(0, min(self._retries.first * 2**tried, self._retries.most))
        wait = at_least + jitter
        over = self._ends is not None and monotonic() + wait >= self._ends
        return None if over else wait

    def _may_repeat(self, error: httpx.RequestError, idempotent: bool) -> bool:
        if isinstance(error, UNSENT):
            return self._retries.connect
        return idempotent and isinstance(error, LOST)

    def _lost(self, error: httpx.RequestError) -> ClientError:
        if (
            isinstance(error, httpx.TimeoutException)
            and self._ends is not None
            and monotonic() >= self._ends - 0.001  # clocks of a timeout and ours differ a little
        ):
            return self._late()
        return NoServer(
            f"{self._url}: expected a Facet server, found none that answers "
            f"({error or type(error).__name__})"
        )

    def _late(self) -> ClientError:
        return ClientError(
            f"deadline: expected an answer within {self._deadline:g} s, found none",
            reason="deadline-exceeded",
        )


def _may_pass(error: ClientError) -> bool:
    """Return whether a later request may be answered; a proxy's 503 need not say when."""
    if error.status != HTTPStatus.SERVICE_UNAVAILABLE:
        return error.status == TOO_MANY
    return error.reason is None or error.retry_after is not None


def _asked_to_wait(response: httpx.Response) -> float | None:
    """Return the seconds of Retry-After, which may be a number or a date (RFC 9110)."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
