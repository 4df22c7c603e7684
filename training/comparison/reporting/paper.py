"""Published results of Jia et al. 2022, and their order.

"Visual Prompt Tuning", arXiv 2203.12119, with the methods under the names that they have here. Mean
top-1 accuracies in percent, as later papers quote them. Those of Sidetune, the wins, and on Swin
those of Bias and VPT-Shallow have no such second source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from .totals import FULL

DEEP, SHALLOW = "vpt-deep", "vpt-shallow"


@dataclass(frozen=True)
class Paper:
    """One backbone's results.

    Attributes:
        sign: part of the name by which such a backbone is recognised.
        groups: number of tasks of each group.
        accuracy: for each method its mean over each group's tasks, in percent.
        wins: of VPT-Deep over Full on all tasks together.
    """

    backbone: str
    sign: str
    groups: dict[str, int]
    accuracy: dict[str, tuple[float, ...]]
    wins: int | None = None

    def mean(self, method: str, group: str | None) -> float:
        """Return the mean accuracy over a group's tasks, or over all, in percent."""
        means = dict(zip(self.groups, self.accuracy[method], strict=True))
        if group is not None:
            return means[group]
        total = sum(means[name] * tasks for name, tasks in self.groups.items())
        return total / sum(self.groups.values())


VTAB = {"Natural": 7, "Specialized": 4, "Structured": 8}

VIT = Paper(
    "ViT-B/16, supervised on ImageNet-21k",
    "",
    {"FGVC": 5, **VTAB},
    {
        "full": (88.54, 75.88, 83.36, 47.64),
        "linear": (79.32, 68.93, 77.16, 26.84),
        "partial-1": (82.63, 69.44, 78.53, 34.17),
        "mlp-3": (79.80, 67.80, 72.83, 30.62),
        "sidetune": (78.35, 58.21, 68.12, 23.41),
        "bias": (88.41, 73.30, 78.25, 44.09),
        "adapter": (85.66, 70.39, 77.11, 33.43),
        "vpt-shallow": (84.62, 76.81, 79.66, 46.98),
        "vpt-deep": (89.11, 78.48, 82.43, 54.98),
    },
    wins=20,
)

SWIN = Paper(
    "Swin-B, supervised on ImageNet-21k",
    "swin",
    VTAB,
    {
        "full": (79.1, 86.2, 59.7),
        "linear": (73.5, 80.8, 33.5),
        "mlp-3": (73.6, 75.2, 35.7),
        "partial-1": (73.1, 81.7, 35.0),
        "bias": (74.19, 80.14, 42.42),
        "vpt-shallow": (79.85, 82.45, 37.75),
        "vpt-deep": (76.8, 84.5, 53.4),
    },
)

MAE = Paper(
    "ViT-B/16, MAE on ImageNet-1k",
    "mae",
    VTAB,
    {
        "full": (59.3, 79.7, 53.8),
        "bias": (54.6, 75.7, 47.7),
        "vpt-shallow": (40.0, 69.7, 27.5),
        "vpt-deep": (36.0, 60.6, 26.6),
    },
)

MOCO = Paper(
    "ViT-B/16, MoCo v3 on ImageNet-1k",
    "moco",
    VTAB,
    {
        "full": (72.0, 84.7, 42.0),
        "bias": (72.9, 81.1, 53.4),
        "vpt-shallow": (67.3, 82.3, 37.6),
        "vpt-deep": (70.3, 83.0, 42.4),
    },
)

_OTHERS = ("partial-1", "mlp-3", "sidetune", "bias", "adapter")

PAIRS = (
    (DEEP, FULL),
    (SHALLOW, FULL),
    *((DEEP, other) for other in ("linear", *_OTHERS, SHALLOW)),
    (SHALLOW, "linear"),
    (FULL, "linear"),
    *((other, "linear") for other in _OTHERS),
    ("bias", "partial-1"),
    ("bias", "adapter"),
)
"""Pairs of methods that the paper's conclusions rest on; those with Full group by group too."""


@dataclass(frozen=True)
class Statement:
    """A finding of the paper: `better` is above `worse`.

    Attributes:
        group: the paper's name of the group of tasks; None for all of them.
        accuracies: mean of each, in percent.
        wins: where the statement is on the number of tasks: those won, and their total.
    """

    better: str
    worse: str
    group: str | None
    accuracies: tuple[float, float]
    wins: tuple[int, int] | None = None


def paper_on(backbone: str) -> Paper:
    """Return the results on the backbone that is most like this one, by its name."""
    # VIT is last: its empty sign is part of every name.
    return next(paper for paper in (SWIN, MAE, MOCO, VIT) if paper.sign in backbone.lower())


def statements(paper: Paper, methods: Iterable[str], groups: Iterable[str]) -> list[Statement]:
    """Return the paper's statements on the order of these methods.

    Args:
        groups: names of groups; for a pair with Full there is also a statement on each of them
            that the paper has.
    """
    known = paper.accuracy.keys() & set(methods)
    scopes = [None, *(group for group in paper.groups if group in groups)]
    found: list[Statement] = []
    for first, second in PAIRS:
        if {first, second} <= known:
            found += _on_pair(paper, first, second, scopes if second == FULL else [None])
    return found


def _on_pair(
    paper: Paper, first: str, second: str, scopes: Iterable[str | None]
) -> Iterator[Statement]:
    yield from (_statement(paper, first, second, group) for group in scopes)
    if (first, second) == (DEEP, FULL) and paper.wins is not None:
        on_mean = _statement(paper, first, second, None)
        yield replace(on_mean, wins=(paper.wins, sum(paper.groups.values())))


def _statement(paper: Paper, first: str, second: str, group: str | None) -> Statement:
    found = {method: paper.mean(method, group) for method in (first, second)}
    better, worse = sorted(found, key=lambda method: -found[method])
    return Statement(better, worse, group, (found[better], found[worse]))
