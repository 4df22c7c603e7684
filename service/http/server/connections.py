"""The open connections of a server, and which of them give way when there are too many."""

import logging
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from facet_vision.service.settings import Settings

try:
    import resource
except ImportError:  # not on Windows, where descriptors are not limited in this way
    resource = None  # type: ignore[assignment]

logger = logging.getLogger("facet.service")

RESERVED_DESCRIPTORS = 128
"""Files that a process opens beside its connections: the store's, libraries', other processes'."""

WARNING_SECONDS = 60.0
"""From one line in the log about too many connections to the next."""


class Closable(Protocol):
    """A connection."""

    def give_way(self) -> None:
        """Close at once."""


class Connections:
    """The open connections of one process, at most `limit` of them.

    Where one more arrives, the one that has waited longest for its client is closed, be it between
    two requests or within a head. So a client that opens many and sends nothing shuts out nobody.

    Args:
        limit: how many may be open.
        clock: seconds, monotonic.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._open: set[Closable] = set()
        self._waiting: OrderedDict[Closable, None] = OrderedDict()  # longest first
        self._warned = -WARNING_SECONDS

    def add(self, connection: Closable) -> bool:
        """Take a new connection, which waits; return False if there is no room for it."""
        if len(self._open) >= self.limit:
            self._warn()
            if not self._waiting:
                return False
            longest = next(iter(self._waiting))
            self.remove(longest)
            longest.give_way()
        self._open.add(connection)
        self.wait(connection)
        return True

    def wait(self, connection: Closable) -> None:
        """Note that a connection waits for its client from now on."""
        if connection in self._open:
            self._waiting[connection] = None
            self._waiting.move_to_end(connection)

    def work(self, connection: Closable) -> None:
        """Note that a connection has a request to answer."""
        self._waiting.pop(connection, None)

    def remove(self, connection: Closable) -> None:
        """Forget a connection that is closed."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)

    def _warn(self) -> None:
        now = self._clock()
        if now - self._warned >= WARNING_SECONDS:
            self._warned = now
            logger.warning(
                "connections: expected at most %d, found more; those that have waited longest for "
                "their clients are closed",
                self.limit,
            )


def connection_limit(settings: Settings) -> int:
    """Return how many connections this process may have, and allow it the descriptors.

    Where the system allows fewer than the settings ask for, the limit is what it allows.
    """
    wanted = settings.max_connections
    if resource is None:
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED_DESCRIPTORS
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return max(1, min(wanted, needed - RESERVED_DESCRIPTORS))
