"""Attention in parts is attention."""

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F

from facet_vision.backbone import Adaptation
from facet_vision.backbone.execution import attend
from facet_vision.backbone.execution.attend import attend as attention
from facet_vision.backbone.segments import Group, Segment


def _segment(counts: list[int], tokens: int) -> tuple[Segment, torch.Tensor]:
    """A segment of tasks with random prefixes for one layer, and the prefix of every row."""
    pairs = [torch.randn(2, 3, tokens, 8).bfloat16() for _ in counts]
    runs = tuple(
        (Adaptation(keys_values=(pair,)), count) for pair, count in zip(pairs, counts, strict=True)
    )
    per_row = [pair for pair, count in zip(pairs, counts, strict=True) for _ in range(count)]
    return Segment(runs, sum(counts)), torch.stack(per_row, dim=1)


@pytest.mark.parametrize("counts", [[1], [3], [1, 1, 1], [2, 1, 4], [7]])
@pytest.mark.parametrize("rows_at_once", [1, 2, 3, 100])
@torch.inference_mode()
def test_in_parts_it_is_the_formula(
    counts: list[int], rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment, prefix = _segment(counts, 5)
    q, k, v = torch.randn(3, segment.rows, 3, 11, 8).bfloat16()
    monkeypatch.setattr(attend, "SCORE_BYTES", rows_at_once * 3 * 11 * 16 * 2)
    found = attention(segment, 0, q, k, v, 0.3)
    keys, values = (torch.cat(pair, dim=2).float() for pair in zip(prefix, (k, v), strict=True))
    expected = F.scaled_dot_product_attention(q.float(), keys, values, scale=0.3)
    torch.testing.assert_close(
        found.float(), expected.transpose(1, 2).flatten(2), atol=0.03, rtol=0.03
    )


@pytest.mark.parametrize("start", range(4))
@pytest.mark.parametrize("rows", range(1, 8))
def test_parts_of_a_segment_cover_it(start: int, rows: int) -> None:
    segment, _ = _segment([2, 1, 1 + start, 3], 1)
    parts = list(segment.cut(rows))
    assert all(part.rows == cut.stop - cut.start <= rows for part, cut in parts)
    joined = [run for part, _ in parts for run in part.runs]
    assert _owners(joined) == _owners(segment.runs)
    rows_in_order = [row for _, cut in parts for row in range(cut.start, cut.stop)]
    assert rows_in_order == list(range(segment.rows))


def _owners(runs: Sequence[Group]) -> list[Adaptation]:
    """The prefix of every row."""
    return [prefix for prefix, count in runs for _ in range(count)]


def test_prompts_that_are_learned_get_gradients_in_bfloat16() -> None:
    prefix = torch.randn(2, 3, 5, 8).bfloat16().requires_grad_()
    segment = Segment(((Adaptation(keys_values=(prefix,)), 2),), 2)
    q, k, v = torch.randn(3, 2, 3, 11, 8).bfloat16()
    attention(segment, 0, q, k, v, 0.3).float().sum().backward()
    assert prefix.grad is not None
    assert prefix.grad.abs().sum() > 0
