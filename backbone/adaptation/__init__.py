"""All that a task changes in the forward: encoded once per task, applied to its rows of any batch.

* `adaptation`: the encoded form, which a bank holds.
* `parts`: the names of learned tensors, and what is encoded of them.
* `low_rank`, `bottleneck`, `affine`: one kind of change each.
* `changes`: the changes of a mixed batch, applied to the rows that they belong to.

Kinds that a site shares act in this order: y = W x + b becomes y + B A x (low rank), then
scale * (y + bias) + shift (affine); a bottleneck changes the output of the whole MLP.
"""

from .adaptation import Adaptation, Group
from .changes import UNCHANGED, Changes, LayerChanges
from .parts import (
    NO_PARTS,
    OUTPUT_SITES,
    Parts,
    Places,
    by_place,
    encode_changes,
    join_prefix,
)
from .sites import Widths, block_widths, has_bias, layer_of, own_bias, qkv_layers

__all__ = [
    "NO_PARTS",
    "OUTPUT_SITES",
    "UNCHANGED",
    "Adaptation",
    "Changes",
    "Group",
    "LayerChanges",
    "Parts",
    "Places",
    "Widths",
    "block_widths",
    "by_place",
    "encode_changes",
    "has_bias",
    "join_prefix",
    "layer_of",
    "own_bias",
    "qkv_layers",
]
