"""What answers a row: one version of a task, ready for the next batch, or the bare backbone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

from facet_vision.backbone import Adaptation
from facet_vision.prompts_store import Classifier, Distance, Manifest

BACKBONE = "backbone"
"""Name of the bare backbone among the tasks; no task may have it."""

Activation = Literal["softmax", "sigmoid", "none"]
"""What turns logits into scores."""

UNADAPTED = Adaptation()


class Answerer(Protocol):
    """What a batch needs of whatever answers a row; equal ones answer alike.

    Attributes:
        task: the task's name.
        version: its number in the store; 0 of the bare backbone.
        adaptation: all that it changes in the forward, encoded, on the device.
        head: what makes logits of the pooled feature; None where that is the answer itself.
        activation: what makes scores of the logits.
        labels: of the logits, in their order; none without a head.
    """

    @property
    def task(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def adaptation(self) -> Adaptation: ...
    @property
    def head(self) -> Classifier | None: ...
    @property
    def activation(self) -> Activation: ...
    @property
    def labels(self) -> Sequence[str]: ...


@dataclass(frozen=True, eq=False)
class Resident:
    """One version of a task on the device; never changed, so a request may hold it for any time.

    It is an `Answerer` that answers as its manifest says.

    Attributes:
        manifest: what the task file says of itself.
        version: its number in the store.
        adaptation: all that it changes in the forward, encoded, on the device.
        head: its head in float32, on the device; the manifest's temperature is in it.
        distance: how far features are from its classes, likewise; None where its file says nothing
            of that.
    """

    manifest: Manifest
    version: int
    adaptation: Adaptation
    head: Classifier
    distance: Distance | None = None

    @property
    def task(self) -> str:
        """The task's name."""
        return self.manifest.task

    @property
    def activation(self) -> Activation:
        """What the manifest says makes scores of the logits."""
        return self.manifest.activation

    @property
    def labels(self) -> Sequence[str]:
        """The labels of the logits, in their order."""
        return self.manifest.labels

    @cached_property
    def nbytes(self) -> int:
        """Bytes held on the device."""
        distance = self.distance.nbytes if self.distance else 0
        return self.adaptation.nbytes + self.head.nbytes + distance


@dataclass(frozen=True)
class Reactivated:
    """A resident whose logits become scores in another way than its manifest says.

    It holds the resident, which so stays on the device for as long as a row of it waits.
    """

    resident: Resident
    activation: Activation

    @property
    def task(self) -> str:
        """The task's name."""
        return self.resident.task

    @property
    def version(self) -> int:
        """Its number in the store."""
        return self.resident.version

    @property
    def adaptation(self) -> Adaptation:
        """All that the task changes in the forward."""
        return self.resident.adaptation

    @property
    def head(self) -> Classifier:
        """The task's head."""
        return self.resident.head

    @property
    def labels(self) -> Sequence[str]:
        """The labels of the logits, in their order."""
        return self.resident.labels


@dataclass(frozen=True)
class WithDistance(Reactivated):
    """A resident that also says, behind its scores, how far an image is from its classes."""


@dataclass(frozen=True)
class Pooled:
    """The pooled feature of an image under a task's adaptation, or under none, as the answer.

    Attributes:
        resident: the task, which so stays on the device for as long as a row of it waits; None for
            the bare backbone.
    """

    resident: Resident | None = None

    @property
    def task(self) -> str:
        """The task's name, or that of the bare backbone."""
        return self.resident.task if self.resident else BACKBONE

    @property
    def version(self) -> int:
        """Its number in the store; 0 of the bare backbone."""
        return self.resident.version if self.resident else 0

    @property
    def adaptation(self) -> Adaptation:
        """All that the task changes in the forward; nothing for the bare backbone."""
        return self.resident.adaptation if self.resident else UNADAPTED

    @property
    def head(self) -> None:
        """None: the feature is what a head would read."""
        return None

    @property
    def activation(self) -> Activation:
        """The feature is answered as it is."""
        return "none"

    @property
    def labels(self) -> Sequence[str]:
        """A feature has none."""
        return ()
