"""The caller of a request: its name, and what it may do."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from facet_vision.service.errors import Forbidden

Scope = Literal["infer", "publish", "admin"]
"""What a key allows: ask tasks, change tasks, operate the server. None of them implies another."""

SCOPES: tuple[Scope, ...] = ("infer", "publish", "admin")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request.

    Attributes:
        name: of the key; empty if no keys are configured.
        scopes: what the key allows.
        patterns: of the names of tasks for which it holds, as in a shell: `*`, `team-a-*`.
    """

    name: str
    scopes: frozenset[Scope]
    patterns: tuple[str, ...]

    def sees(self, task: str) -> bool:
        """Return whether the key covers a task of this name, which need not exist."""
        return self.sees_everything or any(fnmatchcase(task, each) for each in self.patterns)

    @property
    def sees_everything(self) -> bool:
        """Whether the key covers every task."""
        return "*" in self.patterns

    def require(self, scope: Scope | None, task: str | None = None) -> None:
        """Raise unless the caller may do this.

        Args:
            scope: that it needs; None if any will do.
            task: that it concerns, if it concerns one.

        Raises:
            Forbidden: the scope is missing, or the key does not cover the task. The sentence is
                the same whether or not there is such a task.
        """
        if scope is not None and scope not in self.scopes:
            raise Forbidden(
                f"key {self.name!r}: expected the scope {scope!r} for this call, "
                f"found {' and '.join(sorted(self.scopes))}",
                scope,
            )
        if task is not None and not self.sees(task):
            raise Forbidden(
                f"key {self.name!r}: expected a task that it covers "
                f"({', '.join(self.patterns)}), found another one"
            )

    def require_everything(self, scope: Scope) -> None:
        """Raise unless the caller may do this, for every task.

        Raises:
            Forbidden: the scope is missing, or the key covers some tasks only.
        """
        self.require(scope)
        if not self.sees_everything:
            raise Forbidden(
                f"key {self.name!r}: expected one that covers every task (*) for this call, "
                f"found {', '.join(self.patterns)}"
            )


ANYONE = Caller("", frozenset(SCOPES), ("*",))
"""Who asks where no keys are configured."""
