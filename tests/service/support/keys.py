"""Keys for tests: a file of them, and the texts that clients show."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from facet_vision.service.access.caller import SCOPES
from facet_vision.service.access.key import Key, KeyFile, new_key
from facet_vision.service.access.source import write

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Keys:
    """A file of keys that grows.

    Attributes:
        path: the file.
        texts: what clients show, by name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.texts: dict[str, str] = {}
        self._keys: list[Key] = []
        self._write()

    def add(self, name: str, *scopes: Any, **options: Any) -> dict[str, str]:
        """Add a key, of every scope by default, and return the headers that show it."""
        key, text = new_key(name, scopes or SCOPES, NOW, **options)
        self._keys.append(key)
        self.texts[name] = text
        self._write()
        return self.shown(name)

    def shown(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.texts[name]}"}

    def change(self, name: str, **fields: Any) -> None:
        self._keys = [
            key.model_copy(update=fields) if key.name == name else key for key in self._keys
        ]
        self._write()

    def revoke(self, name: str) -> None:
        self.change(name, revoked=NOW)

    def expire(self, name: str) -> None:
        self.change(name, expires=NOW + timedelta(days=1))

    def _write(self) -> None:
        write(self.path, KeyFile(keys=tuple(self._keys)))
