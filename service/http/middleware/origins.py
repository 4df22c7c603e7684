"""Whom the server answers: the names it is asked under, and the pages that may change something.

A page from anywhere on the web can point a name of its own at 127.0.0.1 (DNS rebinding) and then
reads and writes a server on its visitor's machine as if it were its own. Such a request carries the
page's name as `Host`. A page that does not bother with that can still send requests blindly; these
carry a foreign `Origin`, or `Sec-Fetch-Site: cross-site`.
"""

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from facet_vision.prompts_store.errors import shown
from facet_vision.service.errors import BadRequest, ForeignOrigin, UnknownHost
from facet_vision.service.hosts import is_loopback
from facet_vision.service.http.problems import refusal
from facet_vision.service.settings import Settings

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
"""Methods that change nothing (RFC 9110, section 9.2.1), so any page may cause them."""

_AUTHORITY = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>[0-9]{1,5})?)?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class Origins:
    """The names under which this server may be asked, as its settings say."""

    def __init__(self, settings: Settings) -> None:
        self._patterns = settings.host_patterns
        self._loopback_only = is_loopback(settings.host)
        self._any = not (self._loopback_only or self._patterns) or "*" in self._patterns

    def check(self, method: str, headers: Headers) -> None:
        """Raise unless the request may be answered.

        Raises:
            BadRequest: there is no Host, or more than one, or it names none.
            UnknownHost: the Host is not one of this server's names.
            ForeignOrigin: a page of another site asks for a change.
        """
        name, port = _authority(headers.getlist("host"))
        if not (self._any or self._serves(name)):
            raise UnknownHost(
                "host: expected localhost, a loopback address or a name in FACET_ALLOWED_HOSTS, "
                f"found {shown(name)}"
            )
        if method not in SAFE_METHODS:
            self._check_page(headers, name, port)

    def _check_page(self, headers: Headers, name: str, port: str | None) -> None:
        if headers.get("sec-fetch-site") == "cross-site":
            raise ForeignOrigin(
                "sec-fetch-site: expected a page of this server, found one of another site"
            )
        origin = headers.get("origin")
        if origin is None or self._own(origin, name, port):
            return
        raise ForeignOrigin(
            "origin: expected a page of this server or of a host in FACET_ALLOWED_HOSTS, "
            f"found {shown(origin)}"
        )

    def _own(self, origin: str, name: str, port: str | None) -> bool:
        try:
            parts = urlsplit(origin)
            page = (parts.hostname or "").rstrip("."), parts.port
        except ValueError:
            return False
        default = _DEFAULT_PORTS.get(parts.scheme)
        same = page[0] == name.strip("[]") and str(page[1] or default) == (port or default)
        return same or (default is not None and self._listed(page[0]))

    def _serves(self, name: str) -> bool:
        bare = name.strip("[]")
        if is_loopback(bare) or bare.endswith(".localhost") or self._listed(bare):
            return True
        # A name can be pointed anywhere by its owner; an address cannot, so beyond loopback probes
        # and scrapers may go on using it.
        return not self._loopback_only and _is_address(bare)

    def _listed(self, name: str) -> bool:
        return any(
            name == pattern or (pattern.startswith("*.") and name.endswith(pattern[1:]))
            for pattern in self._patterns
        )


class KnownOrigins:
    """Middleware that answers only requests that `Origins` lets pass.

    Args:
        app: gets them.
        origins: decides.
        count_rejection: is called with the reason of each refusal.
    """

    def __init__(
        self, app: ASGIApp, origins: Origins, count_rejection: Callable[[str], None]
    ) -> None:
        self._app = app
        self._origins = origins
        self._count_rejection = count_rejection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self._origins.check(scope["method"], Headers(scope=scope))
            except (BadRequest, UnknownHost, ForeignOrigin) as error:
                response = refusal(error, Request(scope), self._count_rejection)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _authority(given: list[str]) -> tuple[str, str | None]:
    """Return the one Host's name in lower case, without the root's dot, and its port."""
    if len(given) != 1:
        raise BadRequest(f"host: expected one Host header, found {len(given)}")
    found = _AUTHORITY.fullmatch(given[0])
    if found is None:
        raise BadRequest(f"host: expected a name or address and a port, found {shown(given[0])}")
    return found["name"].lower().rstrip("."), found["port"]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
