"""The frozen backbone that all tasks share."""

import logging
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from .adaptation import (
    NO_PARTS,
    OUTPUT_SITES,
    Adaptation,
    Group,
    Parts,
    Widths,
    by_place,
    has_bias,
    layer_of,
    qkv_layers,
)
from .errors import BackboneError
from .execution import packed
from .families import Family
from .identity import fingerprint, identity
from .preprocess import Channels, Preprocess

logger = logging.getLogger("facet.backbone")

WORTHWHILE_RATIO = 0.97
"""Packing pays below this ratio of times; a smaller difference may be noise of the clock."""


class Backbone:
    """A timm network with frozen weights, its preprocessing and its prompted forward.

    Attributes:
        name: the name it was loaded by.
        model: the timm network; frozen, in evaluation mode.
        identity: what its features depend on: weights, architecture and preprocessing.
        fingerprint: a hash of that.
        preprocess: from an RGB image to a (3, height, width) tensor.
        device, dtype: where and in what precision it computes.
        is_packed: whether `pack` was called.
        resampled: what of its weights was interpolated to its sizes when they were loaded, such as
            "positions 14x14 -> 24x24 resampled"; "" where nothing was.
    """

    def __init__(
        self, name: str, model: nn.Module, family: Family, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.name = name
        self.preprocess = Preprocess.of(model)
        # Before the cast: the identity is that of the float32 weights.
        self.identity = identity(model, self.preprocess)
        self.fingerprint = fingerprint(self.identity)
        self.model = model.to(device, dtype).eval().requires_grad_(False)
        self.device = device
        self.dtype = dtype
        self._family = family
        self.is_packed = False
        self.resampled = ""

    @property
    def layer_dims(self) -> tuple[int, ...]:
        """Width of each layer that takes prompts; empty for features alone."""
        return self._family.layer_dims

    @property
    def takes_prompts(self) -> bool:
        """Whether a task can be more than a head: prompts, or changes of layers."""
        return bool(self.layer_dims)

    def widths(self, layer: int, site: str) -> Widths | None:
        """Return how many numbers a site of a layer reads and writes; None if there is none such.

        Sites are qkv, proj, fc1 and fc2, norm1 and norm2, block (its MLP as a whole), and beyond
        the blocks embed in the first layer and norm in the last; see `adaptation`.
        """
        return self._family.widths(layer, site)

    def has_bias(self, layer: int, site: str) -> bool:
        """Whether the backbone adds a bias to what a site writes."""
        return has_bias(self.model, self._family.blocks[layer], site)

    def sites(self) -> dict[str, tuple[int, str]]:
        """Return layer and site of each of timm's modules whose outputs a task can change.

        Queries, keys and values of modules of their own are left out, though they are one site.
        """
        names = {module: name for name, module in self.model.named_modules()}
        return {
            names[layer_of(self.model, block, site)]: (layer, site)
            for layer, block in enumerate(self._family.blocks)
            for site in OUTPUT_SITES
            if self.widths(layer, site) is not None
            and (site != "qkv" or len(qkv_layers(block.attn)) == 1)
        }

    @property
    def feature_dim(self) -> int:
        """Width of the pooled feature that heads read."""
        return self._family.feature_dim

    @property
    def pooling(self) -> str:
        """How tokens become one feature: "token", "avg" or "map"; "own" where no layer is known."""
        return self._family.pooling

    @property
    def input_size(self) -> tuple[int, int, int]:
        """(channels, height, width) of an input tensor."""
        return self.preprocess.input_size

    @property
    def mean(self) -> Channels:
        """Normalisation mean per channel."""
        return self.preprocess.mean

    @property
    def std(self) -> Channels:
        """Normalisation standard deviation per channel."""
        return self.preprocess.std

    def pack(self) -> None:
        """Replace the blocks' weights by the layout in which the processor multiplies with them.

        A packed backbone only encodes tasks and computes features in the prefix form, without
        gradients. The network in `model` cannot be run any more.

        Raises:
            BackboneError: this device, precision, processor or build of PyTorch has no such layout.
        """
        if self.is_packed:
            return
        if not self.can_pack:
            found = f"{self.dtype} on {self.device}".removeprefix("torch.")
            if not self.takes_prompts:
                found = f"{self.name!r}, whose layers are not known here,"
            raise BackboneError(
                f"execution: {found} cannot be packed here; packed weights need a CPU and float32, "
                "or bfloat16 where oneDNN supports it on the processor"
            )
        self._family.pack()
        self.is_packed = True

    @property
    def execution(self) -> str:
        """How the blocks' weights lie in memory: "plain" or "packed"."""
        return "packed" if self.is_packed else "plain"

    @property
    def can_pack(self) -> bool:
        """Whether `pack` can be called; it stays true afterwards."""
        on_cpu = self.device.type == "cpu"
        return self.takes_prompts and on_cpu and packed.available(self.dtype)

    def pack_if_faster(self) -> float | None:
        """Call `pack` if it is measured to pay, on the MLP of the middle block.

        The measurement takes less than a second.

        Returns:
            The packed MLP's time over that of its usual form; None where `pack` cannot be called.
        """
        if self.is_packed or not self.can_pack:
            return None
        middle = len(self.layer_dims) // 2
        ratio = packed.gain(self._family.blocks[middle].mlp, self.layer_dims[middle])
        if ratio < WORTHWHILE_RATIO:
            self.pack()
        logger.info(
            "%s: a packed MLP takes %.2f of its usual time: %s", self.name, ratio, self.execution
        )
        return ratio

    def encode(self, prompts: Sequence[Tensor] = (), parts: Parts = NO_PARTS) -> Adaptation:
        """Encode what a task changes in the forward; done once per task, differentiable.

        Args:
            prompts: none, one (shallow) or one per layer (deep); each (tokens, layer dim).
            parts: whatever else was learned, by names such as `lora.0.qkv.a`; see `adaptation`.

        Raises:
            BackboneError: the number or the shapes of the prompts do not fit the layers, or a part
                does not fit a site; anything at all, where `takes_prompts` is false.
        """
        self._refuse(prompts, parts)
        here = {name: part.to(self.device, self.dtype) for name, part in parts.items()}
        return self._family.encode(self._fit(prompts), by_place(here, self._family))

    def features(
        self,
        images: Tensor,
        prompts: Sequence[Tensor] = (),
        parts: Parts = NO_PARTS,
        *,
        form: Literal["prefix", "tokens"] = "prefix",
    ) -> Tensor:
        """Return pooled features of a batch of one task.

        They are differentiable in the prompts and the parts.

        Args:
            images: (batch, 3, height, width), preprocessed.
            prompts, parts: as for `encode`.
            form: "tokens" is the plain formulation of Jia et al. 2022, "prefix" computes the same
                at lower cost.

        Returns:
            (batch, feature_dim).

        Raises:
            BackboneError: prompts or parts that do not fit; prompts as tokens of a packed backbone,
                or together with parts.
        """
        images = images.to(self.device, self.dtype)
        if form == "prefix":
            return self._family.features_prefix(
                images, [(self.encode(prompts, parts), len(images))]
            )
        if self.is_packed:
            raise BackboneError("form: expected 'prefix' of a packed backbone, found 'tokens'")
        if parts:
            raise BackboneError(
                f"form: expected 'prefix' for {next(iter(parts))!r}, found 'tokens'"
            )
        self._refuse(prompts, parts)
        return self._family.features_tokens(images, self._fit(prompts))

    def features_mixed(self, images: Tensor, groups: Sequence[Group]) -> Tensor:
        """Return pooled features of a batch in which rows belong to different tasks.

        Args:
            images: (batch, 3, height, width), preprocessed; the rows of a task are consecutive.
            groups: (encoded task, number of rows) in the order of the rows.

        Returns:
            (batch, feature_dim), in the order of `images`.

        Raises:
            BackboneError: the groups do not add up to the batch.
        """
        rows = sum(count for _, count in groups)
        if rows != len(images):
            raise BackboneError(f"groups: expected {len(images)} rows in all, found {rows}")
        return self._family.features_prefix(images.to(self.device, self.dtype), groups)

    def _refuse(self, prompts: Sequence[Tensor], parts: Parts) -> None:
        """Raise BackboneError for a task that is more than a head, where none such can be."""
        if self.takes_prompts or not (prompts or parts):
            return
        found = "prompts" if prompts else repr(next(iter(parts)))
        raise BackboneError(
            f"backbone {self.name!r}: expected a task of a head alone, since it is served for its "
            f"features without prompts and adaptations, found {found}"
        )

    def _fit(self, prompts: Sequence[Tensor]) -> list[Tensor]:
        """Check number and shapes of the prompts; return them on the device, in its precision."""
        layers = len(self.layer_dims)
        if len(prompts) not in (0, 1, layers):
            raise BackboneError(f"prompts: expected 0, 1 or {layers} layers, found {len(prompts)}")
        for layer, prompt in enumerate(prompts):
            if prompt.ndim != 2 or prompt.shape[1] != self.layer_dims[layer]:
                expected, found = f"(tokens, {self.layer_dims[layer]})", tuple(prompt.shape)
                raise BackboneError(
                    f"prompts of layer {layer}: expected shape {expected}, found {found}"
                )
        return [prompt.to(self.device, self.dtype) for prompt in prompts]
