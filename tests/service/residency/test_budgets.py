"""Default budgets: what the machine, or its container, has."""

import os
from pathlib import Path

import pytest
import torch

from facet_vision.service.residency.budgets import device_budget, host_budget, memory_bytes

INSTALLED = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("memory.max", "1073741824\n", 2**30),
        ("memory.max", "max\n", INSTALLED),
        ("memory/memory.limit_in_bytes", "1048576\n", 2**20),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", INSTALLED),
        ("unrelated", "5", INSTALLED),
    ],
)
def test_a_containers_limit_counts(tmp_path: Path, name: str, text: str, expected: int) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert memory_bytes(tmp_path) == expected


def test_a_quarter_of_the_memory_each_where_device_and_host_share_it() -> None:
    assert device_budget(torch.device("cpu")) == host_budget() == memory_bytes() // 4


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_half_of_what_is_free_on_a_gpu() -> None:
    budget = device_budget(torch.device("cuda"))
    assert 0 < budget <= torch.cuda.get_device_properties(0).total_memory // 2
