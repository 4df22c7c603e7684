"""Foreign entries: what lies in a store's folder or bucket and is no part of the store."""

import logging

from facet_vision.prompts_store.errors import shown

logger = logging.getLogger("facet.store")

MAX_WARNINGS = 100
"""Entries that are named; a folder of photographs must not fill the log."""


class ForeignEntries:
    """Says of each entry once, not at every listing, that it is skipped."""

    def __init__(self) -> None:
        # Threads may add at once: the worst that comes of it is a second warning.
        self._named: set[str] = set()

    def skip(self, path: str, found: str) -> None:
        """Warn that the entry at `path` is skipped, because of what was found."""
        if path in self._named or len(self._named) > MAX_WARNINGS:
            return
        self._named.add(path)
        if len(self._named) > MAX_WARNINGS:
            logger.warning("store: more than %d entries are skipped", MAX_WARNINGS)
        else:
            logger.warning("store: %s is skipped: %s", shown(path), found)
