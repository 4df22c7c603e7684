"""A key: what is kept of it, and how one is made.

The text that a client shows is `facet_<id>_<secret>`: the id finds the record, and the secret has
256 random bits. Only the SHA-256 of the text is kept. A slow hash such as Argon2 protects
passwords, of which an attacker who has the hashes can try the likely ones; of 2^256 equally likely
secrets none is worth trying, however fast the hash is, and a slow one would only cost every request
its time.
"""

import hashlib
import math
import secrets
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from .caller import Caller, Scope

ID_BYTES = 6
SECRET_BYTES = 32

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$")]
Pattern = Annotated[str, Field(min_length=1, max_length=200)]


class Key(BaseModel):
    """The record of a key. It does not hold the secret.

    Attributes:
        id: the part of the text by which the record is found.
        name: of its holder; stands in histories and logs, and no other key ever has it.
        sha256: of the whole text.
        scopes: what it allows.
        tasks: patterns of the names of tasks for which it holds.
        images_per_second: most answers a second, one for each image and task; unlimited if None.
        burst: most of them at once after a pause, and in one request; a second's worth if None.
        images_at_once: most of them under way; unlimited if None.
        created, expires, revoked: when.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=rf"^[0-9a-f]{{{2 * ID_BYTES}}}$")]
    name: Name
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    tasks: Annotated[tuple[Pattern, ...], Field(min_length=1)] = ("*",)
    images_per_second: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] | None = None
    burst: Annotated[int, Field(ge=1)] | None = None
    images_at_once: Annotated[int, Field(ge=1)] | None = None
    created: AwareDatetime
    expires: AwareDatetime | None = None
    revoked: AwareDatetime | None = None

    # Computed once for each key: every request asks for them.
    @cached_property
    def caller(self) -> Caller:
        """Who calls with it."""
        return Caller(self.name, frozenset(self.scopes), self.tasks)

    @cached_property
    def most_images(self) -> int | None:
        """Most answers that one request may ever ask for."""
        bounds = [bound for bound in (self.bucket, self.images_at_once) if bound is not None]
        return min(bounds, default=None)

    @cached_property
    def bucket(self) -> int | None:
        """Most answers at once after a pause; None without a limit per second."""
        if self.images_per_second is None:
            return None
        return self.burst or math.ceil(self.images_per_second)

    def holds(self, now: datetime) -> bool:
        """Return whether it may be used."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class KeyFile(BaseModel):
    """All keys, those revoked included: their names stand in histories."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[Key, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for what in ("id", "name"):
            found = [getattr(key, what) for key in self.keys]
            if len(set(found)) < len(found):
                raise ValueError(f"expected keys of which each has another {what}")
        return self


def new_key(
    name: str,
    scopes: Sequence[Scope],
    created: datetime,
    *,
    tasks: Sequence[str] = ("*",),
    images_per_second: float | None = None,
    burst: int | None = None,
    images_at_once: int | None = None,
    expires: datetime | None = None,
) -> tuple[Key, str]:
    """Make a key.

    Returns:
        Its record, and the text that a client shows, which is kept nowhere.

    Raises:
        ValidationError: a value is not valid.
    """
    identity = secrets.token_hex(ID_BYTES)
    text = f"facet_{identity}_{secrets.token_urlsafe(SECRET_BYTES)}"
    key = Key(
        id=identity,
        name=name,
        sha256=digest(text),
        scopes=tuple(scopes),
        tasks=tuple(tasks),
        images_per_second=images_per_second,
        burst=burst,
        images_at_once=images_at_once,
        created=created,
        expires=expires,
    )
    return key, text


def digest(text: str) -> str:
    """Return what is kept of a key's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def identity_of(text: str) -> str:
    """Return the id that a text names; empty if it is no key's."""
    parts = text.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == "facet" else ""
