"""The server's certificate and the issuers of its clients', read again once a file has changed."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from facet_vision.service.settings import Settings, SettingsError

logger = logging.getLogger("facet.service")

LOOK_SECONDS = 2.0
"""From one look at the files to the next."""


class _Current(ssl.SSLContext):
    """A context that makes each connection of another one, which can be replaced.

    Issuers can be added to a context and not taken from it. A new context also knows no session of
    a former one, which a client could resume without showing its certificate again.
    """

    current: ssl.SSLContext

    def wrap_bio(self, *given: Any, **named: Any) -> ssl.SSLObject:
        return self.current.wrap_bio(*given, **named)


class Certificate:
    """The TLS context of a server; connections that begin after a change get what is in the files.

    Args:
        certificate: file with the certificate and those of its issuers.
        key: file with its private key; None if the certificate's file has it.
        client_ca: file with the issuers of the certificates that clients must show; None if they
            need none.

    Raises:
        SettingsError: a file is not what it should be.
    """

    def __init__(self, certificate: Path, key: Path | None, client_ca: Path | None) -> None:
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self._files = [path for path in (certificate, key, client_ca) if path]
        self.context = _Current(ssl.PROTOCOL_TLS_SERVER)
        self._stamps = self._look()
        try:
            self.context.current = self._read()
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"tls_cert, tls_key, tls_client_ca: expected files in PEM form that belong "
                f"together, found {error.strerror or error}"
            ) from None

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """Return the certificate that the settings name, if any.

        Raises:
            SettingsError: a file is not what it should be.
        """
        if settings.tls_cert is None:
            return None
        return cls(settings.tls_cert, settings.tls_key, settings.tls_client_ca)

    def options(self) -> dict[str, Any]:
        """Return the options of uvicorn's `Config`."""
        factory: Callable[..., ssl.SSLContext] = lambda *_: self.context  # noqa: E731
        return {"ssl_context_factory": factory}

    async def watch(self, seconds: float = LOOK_SECONDS) -> None:
        """Read the files again whenever they have changed, until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            self.renew()

    def renew(self) -> None:
        """Read the files again if they have changed; what is wrong with them is logged."""
        found = self._look()
        if found == self._stamps:
            return
        self._stamps = found
        names = ", ".join(map(str, self._files))
        try:
            self.context.current = self._read()
        except (OSError, ssl.SSLError) as error:
            logger.error(
                "%s: expected a certificate with its key, and issuers if any are named, found %s; "
                "the former ones stay",
                names,
                error.strerror or error,
            )
        else:
            logger.info("%s: read again", names)

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # With a password the library would ask for it at the terminal, and wait.
        context.load_cert_chain(self._certificate, self._key, password=_no_password)
        if self._client_ca:
            context.load_verify_locations(self._client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for path in self._files]


def _no_password() -> str:
    raise OSError(None, "a key with a password")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
