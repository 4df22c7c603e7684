"""Randomness that is seeded, restored, and saved."""

import torch

from facet_vision.training.seeding import global_state, seeded, set_global_state


def test_a_block_draws_from_the_generator_and_leaves_no_trace() -> None:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    drawn = []
    for _ in range(2):
        with seeded(generator):
            drawn.append(torch.rand(3))
    assert torch.equal(*drawn)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(
        torch.rand(3, generator=generator),
        torch.rand(3, generator=torch.Generator().manual_seed(0)),
    )


def test_the_global_state_can_be_restored() -> None:
    with seeded(torch.Generator()):
        torch.rand(5)
        state = global_state()
        expected = torch.rand(3)
        torch.rand(100)
        set_global_state(state)
        assert torch.equal(torch.rand(3), expected)
        more_devices = state["cuda"] + [torch.zeros(16, dtype=torch.uint8)] * 9
        set_global_state(state | {"cuda": more_devices})
        assert torch.equal(torch.rand(3), expected)
