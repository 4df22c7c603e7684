"""End of a process whose engine hangs: nothing in it can stop a thread that computes for ever."""

import logging
import os
import threading

from .batcher import Batcher

logger = logging.getLogger("facet.service")

CHECK_SECONDS = 1.0


def watch_engine(batcher: Batcher, limit: float) -> None:
    """End the process once a forward has taken too long; returns at once.

    Args:
        batcher: whose threads are watched, until they have stopped.
        limit: seconds that a forward may take.
    """

    def watch() -> None:
        while not batcher.stopped.wait(CHECK_SECONDS):
            if (seconds := batcher.running_seconds()) > limit:
                logger.critical(
                    "engine: expected a batch within %g seconds, found it running for %.0f; the "
                    "server ends",
                    limit,
                    seconds,
                )
                os._exit(1)

    threading.Thread(target=watch, name="facet-watchdog", daemon=True).start()
