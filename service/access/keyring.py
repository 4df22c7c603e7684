"""The keys that hold now, and who shows one of them."""

import hmac
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Self

from facet_vision.service.errors import Unauthorized
from facet_vision.service.settings import Settings, SettingsError

from .caller import ANYONE, Caller
from .key import Key, KeyFile, digest, identity_of
from .source import KeysError, parse, read, stamp, warn_of_permissions

logger = logging.getLogger("facet.service")

LOOK_SECONDS = 1.0
"""From one look at the file of keys to the next, while requests arrive."""

_NO_DIGEST = "0" * 64

SHOW_ONE = "Authorization: expected 'Bearer' with a key of this server, found "


class Keyring:
    """The keys of a server; the file is read again once it has changed.

    A file that cannot be read leaves the last good keys in force, and one line in the log.

    Args:
        file: where the keys are; None without a file.
        keys: those that do not change, in place of a file; None without.
        clock: seconds, monotonic.
        now: the time by which keys expire.

    Raises:
        KeysError: the file cannot be read.
    """

    def __init__(
        self,
        file: Path | None = None,
        keys: KeyFile | None = None,
        *,
        clock: Callable[[], float] = monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._file = file
        self._clock = clock
        self._now = now
        self._by_id: dict[str, tuple[Key, Caller]] = {}
        self._by_name: dict[str, Key] = {}
        self._looked = clock()
        self._stamp = stamp(file) if file else None
        self.enabled = file is not None or keys is not None
        if file:
            keys = read(file)
            warn_of_permissions(file)
        self._take(keys or KeyFile())

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the keys that the settings name.

        Raises:
            SettingsError: they cannot be read.
        """
        try:
            keys = parse(settings.keys, "FACET_KEYS") if settings.keys else None
            return cls(settings.keys_file, keys)
        except KeysError as error:
            raise SettingsError(str(error)) from None

    def caller(self, authorization: str | None) -> Caller:
        """Return who shows this header or metadata entry; `ANYONE` if no keys are configured.

        Raises:
            Unauthorized: it holds no key that holds now.
        """
        if not self.enabled:
            return ANYONE
        self._look()
        if authorization is None:
            raise Unauthorized(f"{SHOW_ONE}none")
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized(f"{SHOW_ONE}another scheme")
        text = text.strip()
        key, caller = self._by_id.get(identity_of(text), (None, ANYONE))
        # In the same time whether or not there is such a key, and wherever the digests differ.
        same = hmac.compare_digest(digest(text), key.sha256 if key else _NO_DIGEST)
        if key is None or not same or not key.holds(self._now()):
            raise Unauthorized(f"{SHOW_ONE}one that is unknown, revoked or expired", shown=True)
        return caller

    def key(self, name: str) -> Key | None:
        """Return the key of a caller that has been let in; None if no keys are configured.

        Raises:
            Unauthorized: it does not hold any more.
        """
        if not self.enabled:
            return None
        self._look()
        key = self._by_name.get(name)
        if key is None or not key.holds(self._now()):
            raise Unauthorized(f"{SHOW_ONE}one that is unknown, revoked or expired", shown=True)
        return key

    def _look(self) -> None:
        """Read the file again if it has changed, at most once in `LOOK_SECONDS`."""
        if self._file is None or self._clock() - self._looked < LOOK_SECONDS:
            return
        self._looked = self._clock()
        found = stamp(self._file)
        if found == self._stamp:
            return
        self._stamp = found  # a file that cannot be read is tried again once it has changed
        try:
            self._take(read(self._file))
        except KeysError as error:
            logger.error("the keys that were read before stay in force: %s", error)
        else:
            logger.info("%s: %d keys are in force", self._file, len(self._by_id))
            warn_of_permissions(self._file)

    def _take(self, keys: KeyFile) -> None:
        self._by_id = {key.id: (key, key.caller) for key in keys.keys}
        self._by_name = {key.name: key for key in keys.keys}
