"""`facet bench forward`: what deep prompts and mixed tasks cost on top of the bare backbone."""

import json
from pathlib import Path
from typing import Annotated

import torch
import typer

import backbone

from .timing import Timing, environment, side_by_side

BARE, TOKENS, PREFIX, MIXED = "bare timm forward", "prompts as tokens", "prefix, one task", "prefix, a task per row"


def forward(
    name: Annotated[str, typer.Option("--backbone", help="timm name; random weights are enough here")] = (
        "vit_base_patch16_224"
    ),
    prompts: Annotated[int, typer.Option(min=1, help="prompts in every layer")] = 50,
    batch: Annotated[int, typer.Option(min=1, help="images in a batch")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="rounds; every contender runs once in each")] = 15,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16")] = "float32",
    output: Annotated[Path | None, typer.Option(help="also write the figures to this JSON file")] = None,
) -> None:
    """Time the bare forward, prompts as tokens, the prefix form and a fully mixed batch, side by side."""
    timings = measure(name, prompts=prompts, batch=batch, rounds=rounds, dtype=dtype)
    where = environment()
    typer.echo(f"{name}, {prompts} prompts in every layer, batch {batch}, {dtype}, {rounds} rounds")
    typer.echo(", ".join(f"{key} {value}" for key, value in where.items()) + "\n")
    typer.echo(table(timings))
    if output:
        figures = {timing.name: {"median_s": timing.median, "ratio": timing.ratio(timings[0])} for timing in timings}
        output.write_text(json.dumps({"environment": where, "backbone": name, "figures": figures}, indent=2) + "\n")


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
