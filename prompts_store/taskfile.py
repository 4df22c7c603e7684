"""The task file: one version of a task as safetensors bytes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from . import durable
from .confidence.distance import Distance
from .errors import InvalidTensors, NotATaskFile, TaskFileError
from .fits import BackboneFacts, check_fits
from .head import Head
from .header import MAX_START_BYTES, METADATA_KEY, TensorSpec, read_header
from .instant.head import InstantHead
from .layout import FLOATS, check_specs, hidden_layers, is_part, sample_names
from .manifest import Identity, Manifest
from .preview import Preview
from .samples.facts import PREFIX as SAMPLES
from .samples.facts import begins_as

_DTYPE_NAMES = {
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.uint8: "U8",
}


@dataclass(frozen=True, eq=False)
class TaskFile:
    """A manifest with the tensors it describes; an instance is always consistent in itself.

    Attributes:
        prompts: one (tokens, layer dim) tensor per prompted layer.
        head: from the pooled feature to logits; of an instant task its examples. `head.to` makes
            what computes of either.
        parts: whatever else the task changes in the forward, by names as in `layout.KINDS`. All
            dtypes are float16, bfloat16 or float32.
        distance: how far features are from its classes, where the manifest states a threshold; of
            an instant task it is in its examples. `far` gives either.
        samples: bytes of the images that the manifest describes, each (bytes,) uint8.

    Raises:
        InvalidTensors: tensors and manifest disagree.
    """

    manifest: Manifest
    prompts: tuple[Tensor, ...]
    head: Head | InstantHead
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    distance: Distance | None = None
    samples: tuple[Tensor, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.head, InstantHead):
            self.head.check(self.manifest)
        tensors = self.tensors()
        check_specs(self.manifest, {name: _spec(name, tensor) for name, tensor in tensors.items()})
        _check_finite(tensors)
        for number, (sample, facts) in enumerate(
            zip(self.samples, self.manifest.samples or (), strict=True)
        ):
            if not begins_as(sample_bytes(sample), facts.media_type):
                raise InvalidTensors(
                    f"values of 'samples.{number}': expected an image of type {facts.media_type} "
                    "as the manifest says, found other bytes"
                )

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self.tensors().values())

    def far(self) -> Distance | None:
        """Return how far features are from the task's classes; None where it states no threshold.

        On the CPU; that of an instant task is made of its examples, in float64.
        """
        if self.manifest.threshold is None or not isinstance(self.head, InstantHead):
            return self.distance
        return self.head.distance()

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by their names in the file."""
        named = {f"prompts.{layer}": prompt for layer, prompt in enumerate(self.prompts)}
        distance = self.distance.tensors() if self.distance else {}
        samples = {f"{SAMPLES}{number}": each for number, each in enumerate(self.samples)}
        return {**named, **self.parts, **self.head.tensors(), **distance, **samples}

    def to_bytes(self, dtype: torch.dtype | None = None) -> bytes:
        """Return safetensors bytes, the same for the same content.

        Args:
            dtype: converts all tensors of floats; None changes none.

        Raises:
            InvalidTensors: a value does not fit `dtype`.
        """
        stored = {name: _stored(name, tensor, dtype) for name, tensor in self.tensors().items()}
        data = safetensors.torch.save(stored, metadata={METADATA_KEY: self.manifest.to_json()})
        read_header(data)  # what is written must be readable: the limits on sizes hold here too
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> "TaskFile":
        """Read and validate completely; raise a TaskFileError with the first fault.

        Header, manifest, names, dtypes and shapes are checked before any tensor is materialised.
        """
        manifest = Preview.parse(data, len(data)).manifest
        try:
            tensors = safetensors.torch.load(data)
        except safetensors.SafetensorError as error:
            raise NotATaskFile(
                f"file format: expected sound safetensors, found a fault: {error}"
            ) from None
        return cls._assemble(manifest, tensors)

    @classmethod
    def _assemble(cls, manifest: Manifest, tensors: Mapping[str, Tensor]) -> "TaskFile":
        prompts = tuple(tensors[f"prompts.{layer}"] for layer in range(manifest.layers))
        parts = {name: tensor for name, tensor in tensors.items() if is_part(name)}
        samples = tuple(tensors[name] for name in sample_names(manifest))
        if manifest.examples is not None:
            instant = InstantHead.of(manifest, tensors)
            return cls(manifest, prompts, instant, parts, samples=samples)
        stems = [f"head.{index}" for index in range(hidden_layers(tensors))] + ["head"]
        head = Head(tuple((tensors[f"{stem}.weight"], tensors[f"{stem}.bias"]) for stem in stems))
        return cls(manifest, prompts, head, parts, Distance.of(tensors), samples)

    def save(self, path: str | Path, dtype: torch.dtype | None = None) -> None:
        """Write the file atomically: a reader sees either the old content or the new."""
        durable.replace(Path(path), self.to_bytes(dtype))

    @classmethod
    def load(cls, path: str | Path) -> "TaskFile":
        """Read and validate the file at `path`; errors carry the path."""
        try:
            with Path(path).open("rb") as file:
                _check_start(file)
                return cls.from_bytes(file.read())
        except TaskFileError as error:
            raise type(error)(f"{path}: {error}") from None

    def check_fits(self, facts: BackboneFacts) -> None:
        """Raise WrongBackbone with the field when the task was not learned for this backbone."""
        dims = [prompt.shape[1] for prompt in self.prompts]
        check_fits(self.manifest, dims, self.head.feature_dim, facts)

    def migrated(self, facts: BackboneFacts) -> "TaskFile":
        """Return the task with a fingerprint of today's version; tensors and the rest stay.

        Raises:
            WrongBackbone: it was not learned for this backbone, as far as its file can tell.
        """
        self.check_fits(facts)
        identity = Identity.model_validate(facts.identity)
        stated = {"fingerprint": facts.fingerprint, "identity": identity}
        return replace(self, manifest=self.manifest.model_copy(update=stated))


def sample_bytes(sample: Tensor) -> bytes:
    """Return the bytes of a sample, which is an encoded image."""
    return sample.numpy().tobytes()


def _check_start(file: BinaryIO) -> None:
    """Check the header before the rest is read.

    A file that is too large for a task file is often something else, and the header says what.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    read_header(file.read(MAX_START_BYTES), size)
    file.seek(0)


def _spec(name: str, tensor: Tensor) -> TensorSpec:
    if tensor.dtype not in _DTYPE_NAMES:
        expected = ", ".join(FLOATS)
        raise InvalidTensors(f"dtype of '{name}': expected one of {expected}, found {tensor.dtype}")
    return TensorSpec(_DTYPE_NAMES[tensor.dtype], tuple(tensor.shape))


def _check_finite(tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        finite = torch.isfinite(tensor)
        if not finite.all():
            found = tensor[~finite].flatten()[0].item()
            raise InvalidTensors(f"values of '{name}': expected finite numbers, found {found}")


def _stored(name: str, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    dtype = dtype if tensor.is_floating_point() else None
    converted = tensor.detach().to("cpu", dtype or tensor.dtype)
    if not torch.isfinite(converted).all():
        most = torch.finfo(converted.dtype).max
        raise InvalidTensors(
            f"values of '{name}': expected at most {most:g} for {converted.dtype}, "
            f"found {tensor.abs().max().item():g}"
        )
    # A clone, since safetensors refuses tensors that share their storage.
    return converted.contiguous().clone()
