"""Where the paper's order of methods holds in a comparison, statement by statement."""

from __future__ import annotations

from dataclasses import dataclass

from facet_vision.training.comparison.records import Comparison

from .paper import Statement, paper_on, statements
from .scores import Difference, Scores

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"

HERE = "here"
"""What is added to a verdict that is decided for the tasks compared, but not for tasks like them."""


@dataclass(frozen=True)
class Checked:
    """A statement of the paper and what was found here.

    Attributes:
        difference: of the better method in the paper to the worse; None where no task and seed has both.
    """

    statement: Statement
    difference: Difference | None

    @property
    def sign(self) -> int:
        """1 where the statement holds for the tasks compared, -1 where it does not, 0 where that is undecided."""
        if self.difference is None:
            return 0
        return _majority(self.difference) if self.statement.wins else self.difference.sign

    @property
    def general(self) -> bool:
        """The sign is the same for tasks like these; never said of a number of tasks won."""
        elsewhere = self.difference and self.difference.elsewhere
        return bool(
            self.sign and not self.statement.wins and elsewhere and elsewhere.sign == self.sign
        )

    @property
    def verdict(self) -> str:
        """In words; undecided where the interval includes zero, or there is none."""
        if not self.sign:
            return UNDECIDED
        return f"{HOLDS if self.sign > 0 else FAILS}{'' if self.general else f' {HERE}'}"


def check(comparison: Comparison) -> list[Checked]:
    """Every statement on methods that are compared here; groups go by their names."""
    paper, scores = paper_on(comparison.backbone), Scores(comparison.cells)
    named = {group.casefold(): tasks for group, tasks in comparison.groups.items()}
    groups = {group: named[group.casefold()] for group in paper.groups if group.casefold() in named}
    return [
        Checked(
            found,
            scores.difference(
                found.better, found.worse, groups.get(found.group or "", comparison.tasks)
            ),
        )
        for found in statements(paper, comparison.methods, groups)
    ]


def _majority(difference: Difference) -> int:
    """1 where more than half of the tasks are surely won; -1 where so many are surely lost that this cannot be."""
    half = difference.tasks / 2
    return (difference.surely_won > half) - (difference.surely_lost >= half)
