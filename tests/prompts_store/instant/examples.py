"""Small sets of examples, and task files that are made of them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from facet_vision.prompts_store import InstantHead, TaskFile
from facet_vision.prompts_store.instant.facts import ExampleFacts, InstantKind
from tests.prompts_store.task_examples import manifest


def clusters(counts: Sequence[int], dim: int, *, seed: int = 0, spread: float = 1.0) -> Tensor:
    """Features (examples, dim), label by label, each label about a centre of its own."""
    random = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn(len(counts), dim, generator=random)
    shape = torch.randn(dim, dim, generator=random) / dim**0.5  # dimensions that vary together
    noise = spread * torch.randn(sum(counts), dim, generator=random) @ shape
    return centres.repeat_interleave(torch.tensor(counts), dim=0) + noise + 3


def targets(counts: Sequence[int]) -> Tensor:
    return torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))


def ids(count: int) -> Tensor:
    """As many ids as examples, all different."""
    numbers = torch.arange(count)
    return torch.stack([(numbers // 256**place % 256) for place in range(8)], dim=1).byte()


def facts(counts: Sequence[int], kind: InstantKind, scale: float = 1.0, k: int = 5) -> ExampleFacts:
    return ExampleFacts(counts=tuple(counts), scale=scale, neighbours=k if kind == "knn" else None)


def instant_file(
    kind: InstantKind = "lda",
    counts: Sequence[int] = (3, 2, 4),
    *,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    **changes: Any,
) -> TaskFile:
    """An instant task of features 4 wide; the manifest may be changed beside its examples."""
    about = facts(counts, kind)
    labels = tuple(f"label {index}" for index in range(len(counts)))
    fields = {"labels": labels, "layers": 0, "tokens": 0, "method": kind, "head": kind}
    fields |= {"examples": about, "recipe": {}}
    features = clusters(counts, 4, seed=seed).to(dtype)
    head = InstantHead(kind, about, features, ids(len(features)))
    return TaskFile(manifest(**(fields | changes)), (), head)
