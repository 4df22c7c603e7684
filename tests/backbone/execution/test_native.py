"""Precisions that a device has in hardware."""

import pytest
import torch

from facet_vision import backbone
from facet_vision.backbone import has_bfloat16
from tests.backbone.families import build

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capabilities", "found"),
    [
        ({"avx512_f": True, "avx512_bf16": False}, False),
        ({"avx512_f": True, "avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"neon": True, "bf16": True}, True),
        ({}, False),
    ],
)
def test_instructions_of_the_processor_decide(capabilities: dict, found: bool) -> None:
    assert has_bfloat16(CPU, capabilities) is found


def test_auto_is_what_the_device_has() -> None:
    expected = torch.bfloat16 if has_bfloat16(CPU) else torch.float32
    assert backbone.wrap(build("plain"), device="cpu", dtype="auto").dtype == expected
    assert backbone.wrap(build("plain"), device="cpu").dtype == torch.float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_generation_of_the_gpu_decides() -> None:
    assert has_bfloat16(torch.device("cuda")) is (torch.cuda.get_device_capability() >= (8, 0))
