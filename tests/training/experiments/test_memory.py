"""Peak memory of a block."""

import sys

import pytest
import torch

from facet_vision.training.experiments.memory import peak_memory

MIB = 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports the peak of a process")
def test_peak_counts_freed_memory_but_not_memory_held_before() -> None:
    for size in (96, 32):  # the smaller after the larger: an earlier peak must not count
        with peak_memory(torch.device("cpu")) as peak:
            torch.ones(size * MIB, dtype=torch.uint8)
        assert peak.bytes is not None
        assert size * MIB <= peak.bytes + MIB < (size + 24) * MIB
