"""Engine of mixed batches: from images and the task of each to scores or features."""

from collections.abc import Mapping, Sequence
from itertools import starmap
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from facet_vision.backbone import Adaptation, Backbone, Pixels
from facet_vision.prompts_store import Head, TaskFile
from facet_vision.service.errors import UnfitTask

from .head_time import heads
from .heads import answers
from .resident import Answerer, Resident, WithDistance

Group = tuple[Answerer, Sequence[Pixels]]
"""One task's share of a batch: what answers, and the pixels of its images."""

Part = tuple[Adaptation, dict[int, Pixels]]
"""Images that share an adaptation; each array once, by its id."""

WARM_UP_SECONDS = 1.0


class Engine:
    """Runs the backbone. It has no state between calls, so several threads may run batches at once.

    Args:
        backbone: computes the features.
    """

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone

    @torch.inference_mode()
    def run(self, groups: Sequence[Group]) -> list[Tensor]:
        """Answer a batch in which rows belong to different tasks.

        An image for several tasks that are no more than heads is computed once, if it is the same
        array.

        Returns:
            For each group a float32 tensor on the CPU: (rows, labels) of probabilities, or of
            logits where the activation is "none", and one column more where distances are asked
            for; without a head (rows, feature_dim) of pooled features. Numbers of a row may be
            infinite or NaN; they affect no other row.
        """
        rows = self._features(groups).split([len(images) for _, images in groups])
        shares = [(answerer, part) for (answerer, _), part in zip(groups, rows, strict=True)]
        with heads(self._backbone.device):
            return _to_host(answers(shares))

    def _features(self, groups: Sequence[Group]) -> Tensor:
        """Return the feature of each row, (rows, feature_dim)."""
        parts = _parts(groups)
        pixels = [image for _, images in parts.values() for image in images.values()]
        counts = [(adaptation, len(images)) for adaptation, images in parts.values()]
        features = self._backbone.features_mixed(self._inputs(pixels), counts).float()
        order = _order(groups, parts)
        return features if order == list(range(len(features))) else features[order]

    def _inputs(self, images: Sequence[Pixels]) -> Tensor:
        return self._backbone.preprocess.batch(images, self._backbone.device)

    @torch.inference_mode()
    def place(self, file: TaskFile, version: int) -> Resident:
        """Bring a checked task file onto the device.

        Any thread may call this while batches run: it only reads the backbone's weights and makes
        tensors that no batch uses yet.

        Raises:
            BackboneError: a tensor of it does not fit the backbone.
            UnfitTask: what it changes is not finite in the backbone's precision.
        """
        device = self._backbone.device
        adaptation = self._backbone.encode(file.prompts, file.parts)
        if not _is_finite(adaptation):
            raise UnfitTask(
                f"task {file.manifest.task!r}: expected finite numbers once its prompts and other "
                "parts are encoded, found others"
            )
        head = file.head.to(device, torch.float32)
        if isinstance(head, Head):
            # In the head a temperature costs no batch anything.
            head = head.divided(file.manifest.temperature)
        distance = file.far()
        if distance is None and file.manifest.threshold is not None:
            raise UnfitTask(
                f"task {file.manifest.task!r}: expected a threshold of examples that vary within "
                "their labels, found some that do not"
            )
        distance = distance and distance.to(device, torch.float32)
        resident = Resident(file.manifest, version, adaptation, head, distance)
        if device.type == "cuda":
            # The engine's threads may use another stream than this one.
            torch.cuda.current_stream(device).synchronize()
        return resident

    def place_tested(self, file: TaskFile, version: int) -> Resident:
        """Bring a checked task file onto the device and test that it answers.

        Raises:
            UnfitTask: see `place` and `smoke_test`.
        """
        resident = self.place(file, version)
        self.smoke_test(resident)
        return resident

    @torch.inference_mode()
    def smoke_test(self, resident: Resident) -> None:
        """Let a resident answer once, before any request uses it.

        Raises:
            UnfitTask: its scores for a blank image, or its distance from it, are not finite.
        """
        asked = WithDistance(resident, resident.activation) if resident.distance else resident
        (scores,) = self.run([(asked, [self._blank()])])
        if not scores.isfinite().all():
            raise UnfitTask(
                f"task {resident.task!r}: expected finite scores for a blank image, found others"
            )

    @torch.inference_mode()
    def warm_up(self, batches: Sequence[int], seconds: float = WARM_UP_SECONDS) -> int:
        """Run the bare backbone once for each batch size, so that no request pays for it.

        A size's first forward makes the kernels for it, some 20 ms. Small batches are the most
        frequent and feel it most, so they should be first.

        Args:
            batches: the sizes.
            seconds: after these it ends, whatever sizes are left.

        Returns:
            How many sizes were run, at least one.
        """
        begun = perf_counter()
        ran = 0
        for size in batches:
            self._backbone.features(self._inputs([self._blank()] * size))
            ran += 1
            if perf_counter() - begun >= seconds:
                break
        return ran

    def _blank(self) -> Pixels:
        return np.zeros(self._backbone.preprocess.input_size, np.uint8)


def _part_key(answerer: Answerer) -> int:
    """Return what is equal for all that make the same feature of an image.

    Those are the ones with the same adaptation, and all that have none.
    """
    return 0 if answerer.adaptation.is_empty else id(answerer.adaptation)


def _parts(groups: Sequence[Group]) -> dict[int, Part]:
    """Return the distinct images to compute, by `_part_key`."""
    parts: dict[int, Part] = {}
    for answerer, images in groups:
        _, distinct = parts.setdefault(_part_key(answerer), (answerer.adaptation, {}))
        distinct.update((id(image), image) for image in images)
    return parts


def _order(groups: Sequence[Group], parts: Mapping[int, Part]) -> list[int]:
    """Return for each row of the groups which of the computed features is its own."""
    index: dict[tuple[int, int], int] = {}
    for key, (_, images) in parts.items():
        for image in images:
            index[key, image] = len(index)
    order = []
    for answerer, pixels in groups:
        key = _part_key(answerer)
        order += [index[key, id(image)] for image in pixels]
    return order


def _is_finite(adaptation: Adaptation) -> bool:
    tensors = list(adaptation.tensors())
    return not tensors or bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all())


def _to_host(found: Sequence[Tensor]) -> list[Tensor]:
    # One transfer for the whole batch: each one waits for the device.
    flat = torch.cat([part.flatten() for part in found]).cpu()
    parts = flat.split([part.numel() for part in found])
    return list(starmap(Tensor.view_as, zip(parts, found, strict=True)))
