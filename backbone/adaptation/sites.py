"""The sites of timm's transformer blocks at which a task can change something."""

from typing import Any

from timm.layers import Mlp

Widths = tuple[int, int]
"""How many numbers a site reads and writes."""


def block_widths(block: Any, dim: int, site: str) -> Widths | None:
    """Return the widths of a site of a block of width `dim`; None if it has no such site."""
    if site in ("norm1", "norm2", "block"):
        return dim, dim
    owner = block.attn if site in ("qkv", "proj") else block.mlp
    # Gated MLPs have layers of these names whose outputs mean something else.
    if site not in ("qkv", "proj", "fc1", "fc2") or (owner is block.mlp and not has_sites(owner)):
        return None
    layer = getattr(owner, site)
    return layer.in_features, layer.out_features


def has_sites(mlp: Any) -> bool:
    """Whether fc1 and fc2 of an MLP can be changed: in timm's usual one."""
    return type(mlp) is Mlp
