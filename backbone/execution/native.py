"""Which precisions a device multiplies in by hardware."""

from collections.abc import Mapping
from typing import Any

import torch

BFLOAT16_CAPABILITIES = ("amx_bf16", "avx512_bf16", "bf16")
"""As torch calls a processor's instructions for products in bfloat16; the last is ARM's."""


def has_bfloat16(device: torch.device, capabilities: Mapping[str, Any] | None = None) -> bool:
    """Whether `device` multiplies in bfloat16 in hardware, rather than by way of float32.

    Args:
        capabilities: of a CPU, by torch's names; those of this one unless given.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if capabilities is None:
        capabilities = (
            torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        )
    return any(capabilities.get(name, False) for name in BFLOAT16_CAPABILITIES)
