"""Export of the weights."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors.torch import save_file
from torch import nn

_COUNTER = "num_batches_tracked"


def export(vit: nn.Module, path: Path) -> None:
    """Write the transformer's weights as float16 safetensors, the file that `backbone` loads.

    BatchNorm statistics are included; its batch counters stay int64, so that timm loads the file
    strictly.
    """
    tensors = {}
    for name, value in vit.state_dict().items():
        exported = value if name.endswith(_COUNTER) else value.half()
        # Cloned, because safetensors refuses tensors that share memory.
        tensors[name] = exported.detach().clone().contiguous()
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={"format": "pt"})
    partial.chmod(0o644)  # safetensors creates files for their owner alone
    os.replace(partial, path)
