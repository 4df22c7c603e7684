"""Running a mixed batch: images and the task of each go in, scores come out."""

from collections.abc import Sequence
from itertools import starmap

import torch
from torch import Tensor

from backbone import Backbone
from prompts_store import Manifest, TaskFile

from .bank import Resident
from .errors import ForwardFailed, UnfitTask

Group = tuple[Resident, Sequence[Tensor]]
"""One task's share of a batch: its resident and its images, each (3, height, width) and preprocessed."""


class Engine:
    """The backbone at work. Not thread-safe: the batcher calls it from its one thread."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone

    @torch.inference_mode()
    def run(self, groups: Sequence[Group]) -> list[Tensor]:
        """Answer a batch in which rows belong to different tasks.

        Returns:
            For each group a float32 tensor (rows, labels) on the CPU: probabilities, or logits where the task's
            activation is "none".

        Raises:
            ForwardFailed: a score is not finite.
        """
        images = torch.stack([image for _, images in groups for image in images])
        counts = [len(images) for _, images in groups]
        prefixes = [resident.prefix for resident, _ in groups]
        features = self._backbone.features_mixed(images, list(zip(prefixes, counts, strict=True))).float()
        rows = features.split(counts)
        scores = [_scores(resident, part) for (resident, _), part in zip(groups, rows, strict=True)]
        return _to_host(scores)

    @torch.inference_mode()
    def settle(self, file: TaskFile, version: int) -> Resident:
        """Bring a checked task file onto the device and prove that it answers.

        Raises:
            UnfitTask: its scores for a blank image are not finite.
        """
        prefix = self._backbone.encode(file.prompts)
        resident = Resident(file.manifest, version, prefix, file.head.to(self._backbone.device, torch.float32))
        try:
            self.run([(resident, [self._blank()])])
        except ForwardFailed:
            raise UnfitTask(f"task {resident.task!r}: expected finite scores for a blank image, found others") from None
        return resident

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Run the bare backbone once, so that the first request does not pay for it."""
        self._backbone.features(self._blank()[None])

    def _blank(self) -> Tensor:
        return torch.zeros(self._backbone.preprocess.input_size)


def _scores(resident: Resident, features: Tensor) -> Tensor:
    return activate(resident.manifest, resident.head(features))


def activate(manifest: Manifest, logits: Tensor) -> Tensor:
    """Turn logits (rows, labels) into what the task promises: probabilities, or the logits themselves."""
    if manifest.activation == "softmax":
        return logits.softmax(-1)
    return logits.sigmoid() if manifest.activation == "sigmoid" else logits


def _to_host(scores: Sequence[Tensor]) -> list[Tensor]:
    # One transfer for the whole batch: a device waits for each.
    flat = torch.cat([part.flatten() for part in scores]).cpu()
    if not flat.isfinite().all():
        raise ForwardFailed("scores: expected finite numbers, found others")
    parts = flat.split([part.numel() for part in scores])
    return list(starmap(Tensor.view_as, zip(parts, scores, strict=True)))
