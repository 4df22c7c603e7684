"""The plain formulation of every kind of change: one task, hooks on timm's own modules."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.eva import Eva
from torch import Tensor, nn

from facet_vision import backbone
from facet_vision.backbone import Backbone

Parts = Mapping[str, Tensor]

SIZES = {
    "lora": {"a": ("rank", "in"), "b": ("out", "rank")},
    "bias": {"bias": ("out",)},
    "ssf": {"scale": ("out",), "shift": ("out",)},
    "adapter": {
        "down": ("rank", "in"),
        "down_bias": ("rank",),
        "up": ("out", "rank"),
        "up_bias": ("out",),
    },
    "prefix": {"key": ("rank", "in"), "value": ("rank", "in")},
}
SIZES["parallel"] = SIZES["adapter"]


def draw_parts(
    net: Backbone, kinds: Sequence[str], rank: int, seed: int, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """Draw the parts of these kinds at all their sites; `kind:site+site` names some."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for wanted in kinds:
        kind, _, chosen = wanted.partition(":")
        for layer in range(len(net.layer_dims)):
            for site in chosen.split("+") if chosen else _sites(kind):
                if (widths := net._family.widths(layer, site)) is None:
                    continue
                sizes = {"in": widths[0], "out": widths[1], "rank": rank}
                for part, symbols in SIZES[kind].items():
                    shape = [sizes[symbol] for symbol in symbols]
                    values = 0.2 * torch.randn(shape, generator=generator, dtype=dtype)
                    found[f"{kind}.{layer}.{site}.{part}"] = values + (part == "scale")
    return found


def _sites(kind: str) -> tuple[str, ...]:
    linear = ("qkv", "proj", "fc1", "fc2")
    if kind == "lora":
        return linear
    return ("embed", "norm1", "norm2", "norm", *linear) if kind in ("bias", "ssf") else ("block",)


def features(net: Backbone, images: Tensor, prompts: Sequence[Tensor], parts: Parts) -> Tensor:
    """Compute the features of one task by prompts as tokens and hooks on the modules."""
    adapted = backbone.wrap(copy.deepcopy(net.model), device="cpu")
    adapted.model.to(images.dtype)
    adapted.dtype = images.dtype
    if isinstance(adapted.model, Eva):
        for block in adapted.model.blocks:
            block.attn = PlainAttention(block.attn)
    for place in sorted({name.rpartition(".")[0] for name in parts}, key=_order):
        kind, layer, site = place.split(".")
        of_place = {
            name.rpartition(".")[2]: part for name, part in parts.items() if _place(name) == place
        }
        module = _module(adapted, int(layer), site)
        if kind == "prefix":
            _attend_to(module.attn, **of_place)
        else:
            target = module.mlp if site == "block" else module
            target.register_forward_hook(_hook(kind, of_place))
    return adapted.features(images, prompts, form="tokens")


def _place(name: str) -> str:
    return name.rpartition(".")[0]


def _order(place: str) -> tuple[int, str]:
    """Hooks run in the order in which they are registered."""
    return list(SIZES).index(place.partition(".")[0]), place


def _module(net: Backbone, layer: int, site: str) -> Any:
    model: Any = net.model
    block: Any = net._family.blocks[layer]
    outside = {"embed": model.patch_embed, "norm": getattr(model, "fc_norm", None)}
    if site == "norm" and not isinstance(model.norm, torch.nn.Identity):
        return model.norm
    if site in outside:
        return outside[site]
    if site == "block":
        return block
    owner = {"qkv": block.attn, "proj": block.attn, "fc1": block.mlp, "fc2": block.mlp}
    return getattr(owner.get(site, block), site)


def _hook(kind: str, parts: Parts) -> Callable[[Any, Any, Tensor], Tensor]:
    def change(_: Any, inputs: tuple[Tensor], y: Tensor) -> Tensor:
        x = inputs[0]
        if kind == "lora":
            return y + x @ (parts["b"] @ parts["a"]).T
        if kind == "bias":
            return y + parts["bias"]
        if kind == "ssf":
            return parts["scale"] * y + parts["shift"]
        read, activation = (y, F.gelu) if kind == "adapter" else (x, F.relu)
        narrow = activation(F.linear(read, parts["down"], parts["down_bias"]))
        return y + F.linear(narrow, parts["up"], parts["up_bias"])

    return change


class PlainAttention(nn.Module):
    """Eva's attention as a formula, its projections side by side as one module."""

    def __init__(self, attn: Any) -> None:
        super().__init__()
        self.attn, self.proj, self.num_heads = attn, attn.proj, attn.num_heads
        self.qkv = SideBySide(attn)
        self.learned: list[Tensor] = []

    def forward(self, x: Tensor, rope: Tensor | None = None, **_: Any) -> Tensor:
        attn, heads = self.attn, self.num_heads
        q, k, v = self.qkv(x).split(self.qkv.sizes, dim=-1)
        width = q.shape[-1] // heads
        q, k, v = (each.unflatten(-1, (-1, width)).transpose(1, 2) for each in (q, k, v))
        q, k = attn.q_norm(q), attn.k_norm(k)
        if rope is not None:
            first, half = attn.num_prefix_tokens, attn.rotate_half
            q, k = (
                torch.cat((y[:, :, :first], rotated(y[:, :, first:], rope, half)), dim=2)
                for y in (q, k)
            )
        k, v = (each.repeat_interleave(heads // each.shape[1], dim=1) for each in (k, v))
        if self.learned:
            keys, values = (
                each.unflatten(-1, (heads, -1)).transpose(0, 1).expand(len(x), -1, -1, -1)
                for each in self.learned
            )
            k, v = torch.cat((keys, k), dim=2), torch.cat((values, v), dim=2)
        mixed = ((q @ k.mT * width**-0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
        mixed = attn.norm(mixed)
        return self.proj(mixed if attn.gate is None else mixed * attn.gate(x).sigmoid())


class SideBySide(nn.Module):
    """The projections of an Eva's attention as timm has them, their outputs side by side."""

    def __init__(self, attn: Any) -> None:
        super().__init__()
        self.attn = attn
        layers = [attn.q_proj, attn.k_proj, attn.v_proj]
        self.sizes = [
            attn.qkv.out_features // 3 if layer is None else layer.out_features for layer in layers
        ]

    def forward(self, x: Tensor) -> Tensor:
        attn = self.attn
        if attn.qkv is None:
            return torch.cat((attn.q_proj(x), attn.k_proj(x), attn.v_proj(x)), dim=-1)
        if getattr(attn, "q_bias", None) is None:
            return attn.qkv(x)
        return attn.qkv(x) + torch.cat((attn.q_bias, attn.k_bias, attn.v_bias))


def rotated(x: Tensor, table: Tensor, half: bool) -> Tensor:
    """Turn pairs of numbers, neighbours or one of each half, by the angles of a table."""
    sine, cosine = table.chunk(2, dim=-1)
    if half:
        one, other = x.chunk(2, dim=-1)
        return x * cosine + torch.cat((-other, one), dim=-1) * sine
    one, other = x[..., ::2], x[..., 1::2]
    return x * cosine + torch.stack((-other, one), dim=-1).flatten(-2) * sine


def _attend_to(attn: Any, key: Tensor, value: Tensor) -> None:
    """Let timm's attention see learned keys and values in front of its own."""
    if isinstance(attn, PlainAttention):
        attn.learned = [key, value]
        return
    heads = attn.num_heads
    keys, values = (part.unflatten(-1, (heads, -1)).transpose(0, 1) for part in (key, value))

    def forward(x: Tensor, mask: Tensor | None = None, **_: Any) -> Tensor:
        q, k, v = attn.qkv(x).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        if hasattr(attn, "q_norm"):
            q, k = attn.q_norm(q), attn.k_norm(k)
        k = torch.cat((keys.expand(len(x), -1, -1, -1), k), dim=2)
        v = torch.cat((values.expand(len(x), -1, -1, -1), v), dim=2)
        scores = (q * attn.scale) @ k.mT
        if hasattr(attn, "relative_position_bias_table"):
            bias = attn._get_rel_pos_bias().squeeze(0).expand(len(x), -1, -1, -1)
            if mask is not None:
                bias = bias + mask.repeat(len(x) // len(mask), 1, 1).unsqueeze(1)
            scores = scores + F.pad(bias, (len(key), 0))
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        return attn.proj(attn.norm(mixed) if hasattr(attn, "norm") else mixed)

    attn.forward = forward
