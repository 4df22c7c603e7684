"""Parts beside prompts and head that a reader must refuse: tensors, and words of the sentence."""

from collections.abc import Iterator

import torch
from torch import zeros

Case = tuple[str, dict[str, torch.Tensor | None], tuple[str, ...]]


def cases() -> Iterator[Case]:
    """Yield a name, the tensors to add to a sound file, and words of the sentence."""
    pair = {"lora.0.qkv.a": zeros(2, 6), "lora.0.qkv.b": zeros(18, 2)}
    yield "lora_alone", {"lora.0.qkv.a": zeros(2, 6)}, ("'lora.0.qkv.b'", "found none")
    yield "lora_ranks", pair | {"lora.0.qkv.b": zeros(18, 3)}, ("rank", "expected 2", "found 3")
    yield "lora_flat", pair | {"lora.0.qkv.a": zeros(12)}, ("shape of 'lora.0.qkv.a'", "[12]")
    yield "lora_empty", pair | {"lora.0.qkv.a": zeros(0, 6)}, ("at least 1 for rank", "[0, 6]")
    yield "lora_site", {"lora.0.norm1.a": zeros(2, 6)}, ("sites qkv, proj", "'lora.0.norm1.a'")
    yield "lora_part", pair | {"lora.0.qkv.c": zeros(2)}, ("parts a, b", "'lora.0.qkv.c'")
    yield "lora_more", pair | {"lora.0.qkv.a.a": zeros(2)}, ("'lora.0.qkv.a.a'",)
    yield "lora_short", {"lora.0": zeros(2)}, ("'lora.0.qkv.a'", "found 'lora.0'")
    for number, layer in enumerate(("x", "-1", "00", "01", "1000", "9" * 60, "", "²")):
        name = f"bias.{layer}.qkv.bias"
        yield f"bias_layer_{number}", {name: zeros(6)}, ("'bias.0.embed.bias'", "found 'bias.")
    yield "bias_matrix", {"bias.0.qkv.bias": zeros(6, 1)}, ("shape of 'bias.0.qkv.bias'", "[6, 1]")
    scale = {"ssf.1.fc1.scale": zeros(8), "ssf.1.fc1.shift": zeros(7)}
    yield "ssf_widths", scale, ("out of 'ssf.1.fc1.shift'", "expected 8", "found 7")
    down = {"adapter.0.block.down": zeros(2, 6), "adapter.0.block.down_bias": zeros(2)}
    yield "adapter_half", down, ("'adapter.0.block.up'", "found none")
    keys = {"prefix.0.block.key": zeros(3, 6), "prefix.0.block.value": zeros(4, 6)}
    yield "prefix_counts", keys, ("tokens of 'prefix.0.block.value'", "expected 3", "found 4")
    yield "unknown_kind", {"magic.0.qkv.a": zeros(2, 6)}, ("'magic.0.qkv.a'", "as well")
