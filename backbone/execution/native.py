"""Precisions that a device multiplies in by hardware."""

from collections.abc import Mapping
from typing import Any

import torch

BFLOAT16_CAPABILITIES = ("amx_bf16", "avx512_bf16", "bf16")
"""torch's names for instructions that multiply in bfloat16; the last is ARM's."""


def has_bfloat16(device: torch.device, capabilities: Mapping[str, Any] | None = None) -> bool:
    """Return whether `device` multiplies in bfloat16 in hardware, not by way of float32.

    Args:
        capabilities: of a CPU, by torch's names; by default those of this machine.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if capabilities is None:
        # Where torch lacks the function, bfloat16 is not chosen automatically.
        has_function = hasattr(torch.cpu, "get_capabilities")
        capabilities = torch.cpu.get_capabilities() if has_function else {}
    return any(capabilities.get(name, False) for name in BFLOAT16_CAPABILITIES)
