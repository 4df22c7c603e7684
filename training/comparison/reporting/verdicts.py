"""Verdicts on the paper's order of methods, statement by statement."""

from __future__ import annotations

from dataclasses import dataclass

from facet_vision.training.comparison.records import Comparison

from .paper import Statement, paper_on, statements
from .scores import Difference, Scores

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"

HERE = "here"
"""Added to a verdict that is decided for the compared tasks, but not for tasks like them."""


@dataclass(frozen=True)
class CheckedStatement:
    """A statement of the paper and the evidence of a comparison.

    Attributes:
        difference: of the better method in the paper to the worse; None where no task and seed
            has both.
    """

    statement: Statement
    difference: Difference | None

    @property
    def sign(self) -> int:
        """1 where the statement holds for the compared tasks, -1 where not, 0 where undecided."""
        if self.difference is None:
            return 0
        return _majority(self.difference) if self.statement.wins else self.difference.sign

    @property
    def general(self) -> bool:
        """Whether the sign is the same for tasks like these; False for a number of tasks won."""
        if not self.sign or self.statement.wins or self.difference is None:
            return False
        elsewhere = self.difference.elsewhere
        return elsewhere is not None and elsewhere.sign == self.sign

    @property
    def verdict(self) -> str:
        """In words; undecided where the interval includes zero, or there is none."""
        if not self.sign:
            return UNDECIDED
        return f"{HOLDS if self.sign > 0 else FAILS}{'' if self.general else f' {HERE}'}"


def check(comparison: Comparison) -> list[CheckedStatement]:
    """Check every statement on methods that are compared here; groups are matched by name."""
    paper = paper_on(comparison.backbone)
    scores = Scores(comparison.cells)
    named = {group.casefold(): tasks for group, tasks in comparison.groups.items()}
    groups = {group: named[group.casefold()] for group in paper.groups if group.casefold() in named}
    checked = []
    for statement in statements(paper, comparison.methods, groups):
        tasks = groups.get(statement.group or "", comparison.tasks)
        difference = scores.difference(statement.better, statement.worse, tasks)
        checked.append(CheckedStatement(statement, difference))
    return checked


def _majority(difference: Difference) -> int:
    """Return 1 where more than half of the tasks are surely won, -1 where that is impossible.

    It is impossible as soon as half of the tasks are surely lost.
    """
    half = difference.tasks / 2
    return (difference.surely_won > half) - (difference.surely_lost >= half)
