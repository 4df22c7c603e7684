"""Rows of a ticket: which of them the engine answers from the same feature."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facet_vision.service.engine.batch import by_resident
from facet_vision.service.engine.engine import Engine
from facet_vision.service.engine.resident import Resident
from facet_vision.service.engine.rows import Row, Ticket
from tests.service.support.app import DEPTH, SIDE, small_backbone, task_file
from tests.service.support.queue import IdleQueue

SMALL = small_backbone()
ENGINE = Engine(SMALL)
RESIDENTS = [
    ENGINE.place(task_file(SMALL, f"task-{number}", layers=layers), 1)
    for number, layers in enumerate((0, 0, 0, 1, DEPTH))
]


class Waiting(IdleQueue):
    """Holds the rows of a ticket; their twins are only known while it is open."""

    def __init__(self) -> None:
        self.rows: Sequence[Row] = ()
        self.twins: list[tuple[Row, ...]] = []
        self.shares: list[float] = []

    def enqueue(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.twins = [row.twins for row in rows]
        self.shares = [row.share for row in rows]


def waiting(residents: Sequence[Resident], images: int) -> Waiting:
    """Let a request for these tasks wait, with images of its own."""
    pixels = [np.full((3, SIDE, SIDE), number, np.uint8) for number in range(images)]
    queue = Waiting()

    async def ask() -> None:
        with Ticket(queue, [resident.task for resident in residents], images) as ticket:
            pairs = [(resident, image) for image in pixels for resident in residents]
            request = asyncio.create_task(ticket.run(pairs))
            await asyncio.sleep(0)
            request.cancel()

    asyncio.run(ask())
    return queue


@given(st.lists(st.sampled_from(RESIDENTS), min_size=1, unique=True), st.integers(1, 3))
def test_twins_are_the_rows_of_one_image_for_tasks_without_prompts(
    residents: list[Resident], images: int
) -> None:
    queue = waiting(residents, images)
    assert len(queue.rows) == len(residents) * images
    for row, twins in zip(queue.rows, queue.twins, strict=True):
        alike = [
            other
            for other in queue.rows
            if other.image is row.image and other.resident.adaptation.is_empty
        ]
        assert list(twins) == (alike if row.resident.adaptation.is_empty else [])


@given(st.lists(st.sampled_from(RESIDENTS), min_size=1, unique=True), st.integers(1, 3))
def test_the_shares_of_a_request_add_up_to_the_images_that_the_engine_computes(
    residents: list[Resident], images: int
) -> None:
    queue, computed = waiting(residents, images), []
    hook = SMALL.model.patch_embed.register_forward_hook(
        lambda _, inputs, __: computed.append(len(inputs[0]))
    )
    with hook:
        groups = by_resident(queue.rows)
        ENGINE.run([(rows[0].resident, [row.image for row in rows]) for rows in groups])
    assert [sum(queue.shares)] == pytest.approx(computed)
