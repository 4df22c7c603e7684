"""The description of a task file, read from its header alone."""

from dataclasses import dataclass
from typing import Self

from .errors import InvalidManifest
from .fits import BackboneFacts, check_fits
from .header import load_json, read_header
from .layout import check_specs, feature_dim
from .manifest import Manifest


@dataclass(frozen=True)
class Preview:
    """The manifest of a task file and the widths of its tensors, whose values are not read.

    That is enough for a list of tasks.

    Attributes:
        manifest: the file's description of itself.
        prompt_dims: width of each prompt tensor.
        feature_dim: width of the feature that the head reads.
    """

    manifest: Manifest
    prompt_dims: tuple[int, ...]
    feature_dim: int

    @classmethod
    def parse(cls, start: bytes, size: int) -> Self:
        """Check the header of a file of `size` bytes that begins with `start`.

        Raises:
            TaskFileError: the header is not sound.
        """
        header = read_header(start, size)
        load_json(header.manifest, "manifest", InvalidManifest)
        manifest = Manifest.from_json(header.manifest)
        check_specs(manifest, header.tensors)
        dims = tuple(
            header.tensors[f"prompts.{layer}"].shape[1] for layer in range(manifest.layers)
        )
        return cls(manifest, dims, feature_dim(header.tensors))

    def check_fits(self, facts: BackboneFacts) -> None:
        """Raise WrongBackbone with the field when the task was not learned for this backbone."""
        check_fits(self.manifest, self.prompt_dims, self.feature_dim, facts)
