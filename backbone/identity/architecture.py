"""What a network computes beside its weights: activations, heads, epsilons, strides, pooling.

Two networks with the same weights may be different functions: with another activation, number of
heads or epsilon, every shape stays as it is. `architecture` describes all that as a flat mapping
from the path of an option to its value, such as `blocks.*.attn.num_heads: 12`.

The names and values are Facet's own and do not change with timm's version: an option counts if
`KINDS` lists it. A test walks every supported variant and insists that each plain attribute of
each module is either listed or known to change nothing, so that an option which timm adds is
noticed. A module of a kind that is not listed is described by its class and all of its plain
attributes.

An option that is listed in a later release must be stated only where it differs from what the
network did before, or every fingerprint changes.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from timm.layers import (
    Attention,
    AttentionPoolLatent,
    AttentionRope,
    GluMlp,
    LayerScale,
    Mlp,
    PatchEmbed,
    RotaryEmbeddingCat,
    RotaryEmbeddingDinoV3,
    RotaryEmbeddingMixed,
    SwiGLU,
)
from timm.layers.activations import GELU, GELUTanh, QuickGELU, Swish
from timm.layers.drop import DropPath
from timm.layers.norm import LayerNorm, RmsNorm
from timm.layers.pos_embed_sincos import RotaryEmbeddingMRope
from timm.models.deit import VisionTransformerDistilled
from timm.models.eva import Eva, EvaAttention, EvaBlock, EvaBlockPostNorm
from timm.models.swin_transformer import (
    PatchMerging,
    SwinTransformer,
    SwinTransformerBlock,
    SwinTransformerStage,
    WindowAttention,
)
from timm.models.vision_transformer import Block, VisionTransformer
from torch import nn

from facet_vision.backbone.tiny import ConvStem

from .weights import WITH_PROMPTS, classifier_prefixes

Scalar = str | int | float | bool | None
Value = Scalar | list[Scalar]

_VIT_OPTIONS = (
    *("global_pool", "num_prefix_tokens", "num_reg_tokens", "has_class_token"),
    *("no_embed_class", "pool_include_prefix"),
)

_ROTARY_OPTIONS = ("temperature", "grid_offset", "grid_indexing", "rotate_half")
_AXIAL_OPTIONS = (
    *("ref_feat_shape", "normalize_coords", "grid_type"),
    *("in_pixels", "max_res", "linear_bands"),
)

KINDS: dict[type[nn.Module], tuple[str, tuple[str, ...]]] = {
    # Networks and what they are built of. Which parts there are, the names of the weights tell.
    VisionTransformer: ("vision_transformer", _VIT_OPTIONS),
    VisionTransformerDistilled: ("distilled_vision_transformer", _VIT_OPTIONS),
    Eva: ("eva", ("global_pool", "num_prefix_tokens", "no_embed_class")),
    SwinTransformer: ("swin_transformer", ("global_pool",)),
    SwinTransformerStage: ("", ()),
    Block: ("", ()),
    EvaBlock: ("", ()),
    EvaBlockPostNorm: ("post_norm", ()),
    SwinTransformerBlock: ("", ("window_size", "shift_size")),
    PatchEmbed: ("", ("dynamic_img_pad",)),
    ConvStem: ("conv_stem", ()),
    PatchMerging: ("", ()),
    nn.Sequential: ("", ()),
    nn.ModuleList: ("", ()),
    # Attention and MLP.
    Attention: ("", ("num_heads", "scale")),
    EvaAttention: ("", ("num_heads", "scale", "num_prefix_tokens", "rotate_half")),
    AttentionRope: ("", ("num_heads", "scale", "num_prefix_tokens", "rotate_half")),
    WindowAttention: ("", ("num_heads", "scale")),
    AttentionPoolLatent: ("", ("num_heads", "scale", "pool")),
    Mlp: ("", ()),
    GluMlp: ("gated", ("chunk_dim", "gate_last")),
    SwiGLU: ("swiglu", ()),
    # Rotations of queries and keys; the frequencies of mixed ones are weights.
    RotaryEmbeddingCat: ("axial_rotary", (*_ROTARY_OPTIONS, *_AXIAL_OPTIONS)),
    RotaryEmbeddingDinoV3: (
        "dinov3_rotary",
        (*_ROTARY_OPTIONS, "normalize_coords", "min_period", "max_period"),
    ),
    RotaryEmbeddingMixed: ("mixed_rotary", ("grid_indexing",)),
    RotaryEmbeddingMRope: ("multimodal_rotary", ("temperature", "grid_indexing", "mrope_section")),
    # Layers.
    nn.Linear: ("", ()),
    nn.Conv2d: ("", ("stride", "padding", "dilation", "groups", "padding_mode")),
    LayerScale: ("", ()),
    nn.LayerNorm: ("layer_norm", ("eps",)),
    LayerNorm: ("layer_norm", ("eps",)),
    RmsNorm: ("rms_norm", ("eps",)),
    nn.BatchNorm2d: ("batch_norm", ("eps",)),
    # Activations. timm and torch both have some of them.
    nn.GELU: ("gelu", ()),
    GELU: ("gelu", ()),
    GELUTanh: ("gelu_tanh", ()),
    QuickGELU: ("quick_gelu", ()),
    nn.SiLU: ("silu", ()),
    Swish: ("silu", ()),
    nn.ReLU: ("relu", ()),
    # They pass their input on in evaluation mode; window attention takes its softmax itself.
    nn.Identity: ("", ()),
    nn.Dropout: ("", ()),
    DropPath: ("", ()),
    nn.Softmax: ("", ()),
}
"""How each kind of module is called, "" where its place says it, and the options that count."""

_OF_EXECUTION = {"training", "inplace", "fused_attn", "grad_checkpointing"}

_OF_A_CLASSIFIER = {"num_classes", "drop_rate"}
"""What networks that are not listed keep for the classifier and for training."""

_HEADS = re.compile(r"head(_dist|_drop)?(\.|$)")
_LAST_NUMBER = re.compile(r"(?P<sequence>.*)\.\d+(?P<rest>(\..*)?)$")
_SIGNIFICANT_DIGITS = 9


def architecture(model: nn.Module) -> dict[str, Value]:
    """Describe what a network computes beside its weights, classifier left out.

    Returns:
        Values by path, sorted. A path with `*` for a number holds for all numbers, if the value is
        the same for all of them.
    """
    known = type(model) in WITH_PROMPTS
    on_top = classifier_prefixes(model)
    modules = {
        name: module
        for name, module in model.named_modules()
        if not (_HEADS.match(name) if known else f"{name}.".startswith(on_top))
    }
    options = {
        path: canonical(value)
        for name, module in modules.items()
        for path, value in _options(name, module)
        if known or path.rpartition(".")[2] not in _OF_A_CLASSIFIER
    }
    return dict(sorted(_folded(options, modules).items()))


def canonical(value: Any) -> Value:
    """Return a value as JSON has it, floats rounded so that equal numbers are equal text."""
    if isinstance(value, list | tuple):
        return [_scalar(each) for each in value]
    return _scalar(value)


def _scalar(value: Any) -> Scalar:
    if isinstance(value, float):
        return float(f"{value:.{_SIGNIFICANT_DIGITS}g}")
    if value is None or isinstance(value, str | int):
        return value
    return str(getattr(value, "__name__", type(value).__name__))  # a function or a class


def _options(name: str, module: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield the kind of a module, where it counts, and its options."""
    kind, options = KINDS.get(type(module)) or (type(module).__name__, tuple(_plain(module)))
    if type(module) is nn.GELU and module.approximate != "none":
        kind = f"gelu_{module.approximate}"
    if kind:
        yield name or "network", kind
    for option in options:
        yield f"{name}.{option}".lstrip("."), getattr(module, option)


def _plain(module: nn.Module) -> list[str]:
    """List the attributes of an unknown kind of module that may change what it computes."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and name not in _OF_EXECUTION and is_plain(value)
    ]


def is_plain(value: object) -> bool:
    """Tell whether an attribute is a number, a text, a function, or a sequence of such."""
    if isinstance(value, list | tuple):
        return all(is_plain(each) for each in value)
    return value is None or isinstance(value, str | int | float) or callable(value)


def _folded(options: dict[str, Value], names: Iterable[str]) -> dict[str, Value]:
    """Write an option once that has one value in all modules of a sequence.

    Inner sequences come first, so that each stage of a Swin may have a value of its own.
    """
    length = Counter(name.rpartition(".")[0] for name in names)
    groups: dict[tuple[str, str], dict[str, Value]] = defaultdict(dict)
    folded: dict[str, Value] = {}
    for path, value in options.items():
        if numbered := _LAST_NUMBER.match(path):
            groups[numbered["sequence"], numbered["rest"]][path] = value
        else:
            folded[path] = value
    for (sequence, rest), group in groups.items():
        first, *others = group.values()
        same = len(group) == length[sequence] and all(value == first for value in others)
        folded.update({f"{sequence}.*{rest}": first} if same else group)
    return folded if folded == options else _folded(folded, names)
