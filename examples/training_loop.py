"""A training loop of your own, with the backbone's prompted forward.

    python examples/training_loop.py stripes.safetensors

learns to tell horizontal from vertical stripes and writes the task file. `Backbone.features` is
differentiable, so any loss, optimizer or schedule can be used.
"""

import sys
from datetime import UTC, datetime

import torch
import torch.nn.functional as F
from PIL import Image

import facet_vision as facet

LABELS = ("horizontal", "vertical")
TOKENS = 4
STEPS = 40


def stripes(label: str, generator: torch.Generator) -> Image.Image:
    """Draw 48 x 48 pixels of stripes with random width, place and contrast."""
    width = int(torch.randint(3, 9, (), generator=generator))
    offset, contrast = torch.rand(2, generator=generator).tolist()
    line = ((torch.arange(48) + int(offset * 48)) // width % 2) * (80 + 160 * contrast)
    pixels = line.expand(48, 48) if label == "vertical" else line.expand(48, 48).T
    return Image.fromarray(pixels.to(torch.uint8).numpy()).convert("RGB")


def main(file: str) -> None:
    generator = torch.Generator().manual_seed(0)
    backbone = facet.load("facet-tiny", device="cpu", dtype="float32")

    def batch(size: int) -> tuple[torch.Tensor, torch.Tensor]:
        targets = torch.randint(len(LABELS), (size,), generator=generator)
        images = [stripes(LABELS[target], generator) for target in targets]
        return torch.stack([backbone.preprocess(image) for image in images]), targets

    prompts = [
        torch.nn.Parameter(0.1 * torch.randn(TOKENS, dim, generator=generator))
        for dim in backbone.layer_dims
    ]
    head = torch.nn.Linear(backbone.feature_dim, len(LABELS))
    optimizer = torch.optim.AdamW([*prompts, *head.parameters()], lr=3e-3)
    for _ in range(STEPS):
        images, targets = batch(16)
        loss = F.cross_entropy(head(backbone.features(images, prompts)), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    with torch.no_grad():
        images, targets = batch(100)
        found = head(backbone.features(images, prompts)).argmax(-1)
    accuracy = float((found == targets).float().mean())
    manifest = facet.Manifest(
        task="stripes",
        method="vpt-deep",
        backbone=backbone.name,
        fingerprint=backbone.fingerprint,
        identity=facet.Identity(**backbone.identity),
        layers=len(prompts),
        tokens=TOKENS,
        pooling=backbone.pooling,
        head="linear",
        labels=LABELS,
        activation="softmax",
        input_size=backbone.input_size,
        mean=backbone.mean,
        std=backbone.std,
        data="stripes, drawn by this script",
        recipe={"steps": STEPS},
        metrics={"accuracy": accuracy},
        created=datetime.now(UTC),
    )
    learned = facet.Head(((head.weight.detach(), head.bias.detach()),))
    facet.TaskFile(manifest, tuple(prompt.detach() for prompt in prompts), learned).save(file)
    print(f"accuracy {accuracy:.2f}; wrote {file}")


if __name__ == "__main__":
    main(sys.argv[1])
