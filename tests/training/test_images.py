import torch

from backbone import Backbone
from training.datasets import TaskData
from training.images import InMemory, Streamed, in_order, prepare


def test_budget_decides_where_images_are_kept(tiny: Backbone, shades: TaskData) -> None:
    needed = 30 * 3 * 16 * 16 * 4
    assert isinstance(prepare(shades.train, tiny.preprocess, budget=needed), InMemory)
    assert isinstance(prepare(shades.train, tiny.preprocess, budget=needed - 1), Streamed)


def test_streamed_rows_are_those_in_memory(tiny: Backbone, shades: TaskData) -> None:
    memory = prepare(shades.train, tiny.preprocess)
    streamed = prepare(shades.train, tiny.preprocess, budget=0)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0)).split(7)
    for kept, decoded in zip(memory.batches(order), streamed.batches(order), strict=True):
        torch.testing.assert_close(kept, decoded, rtol=0, atol=0)


def test_in_order_covers_every_row_once() -> None:
    assert torch.cat(list(in_order(10, 4))).tolist() == list(range(10))
