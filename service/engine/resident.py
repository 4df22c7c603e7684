"""One version of a task, ready for the next batch."""

from dataclasses import dataclass
from functools import cached_property

from facet_vision.backbone import Prefix
from facet_vision.prompts_store import Head, Manifest


@dataclass(frozen=True, eq=False)
class Resident:
    """One version of a task on the device; never changed, so a request may hold it for any time.

    Attributes:
        manifest: what the task file says of itself.
        version: its number in the store.
        prefix: its encoded prompts, on the device.
        head: its head in float32, on the device.
    """

    manifest: Manifest
    version: int
    prefix: Prefix
    head: Head

    @property
    def task(self) -> str:
        """The task's name."""
        return self.manifest.task

    @cached_property
    def nbytes(self) -> int:
        """Bytes held on the device."""
        return self.prefix.nbytes + self.head.nbytes

    @cached_property
    def head_key(self) -> tuple[object, ...]:
        """The activation and the shape of each layer of the head.

        Equal for two tasks whose heads can be computed together.
        """
        return self.manifest.activation, *(weight.shape for weight, _ in self.head.layers)
