"""What deep prompts and mixed tasks cost on top of the bare backbone."""

import torch

import backbone

from .timing import Timing, side_by_side

BARE, TOKENS, PREFIX, MIXED = "bare timm forward", "prompts as tokens", "prefix, one task", "prefix, a task per row"


def measure(name: str, *, prompts: int, batch: int, rounds: int, dtype: str = "float32") -> list[Timing]:
    """Time the four forwards on random weights and images; the bare one comes first."""
    torch.manual_seed(0)
    net = backbone.load(name, pretrained=False, dtype=dtype)
    images = torch.randn(batch, *net.input_size, device=net.device, dtype=net.dtype)
    tasks = [[torch.randn(prompts, dim) * 0.1 for dim in net.layer_dims] for _ in range(batch)]
    with torch.inference_mode():
        encoded = [net.encode(task) for task in tasks]
        contenders = {
            BARE: lambda: net.model(images),
            TOKENS: lambda: net.features(images, tasks[0], form="tokens"),
            PREFIX: lambda: net.features_mixed(images, [(encoded[0], batch)]),
            MIXED: lambda: net.features_mixed(images, [(prefix, 1) for prefix in encoded]),
        }
        return side_by_side(contenders, rounds=rounds)


def table(timings: list[Timing]) -> str:
    """A Markdown table; ratios are to the first row, medians over rounds with their quartiles."""
    lines = ["| forward | median | ratio | quartiles |", "| --- | --- | --- | --- |"]
    for timing in timings:
        low, middle, high = timing.ratio(timings[0])
        lines.append(f"| {timing.name} | {timing.median * 1e3:.1f} ms | {middle:.3f} | {low:.3f} to {high:.3f} |")
    return "\n".join(lines)
