"""Running a mixed batch: images and the task of each go in, scores come out."""

from collections.abc import Sequence
from itertools import starmap
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from facet_vision.backbone import Backbone, Pixels, Prefix
from facet_vision.prompts_store import TaskFile
from facet_vision.service.errors import ForwardFailed, UnfitTask

from .heads import scores
from .resident import Resident

Group = tuple[Resident, Sequence[Pixels]]
"""One task's share of a batch: its resident and the pixels of its images."""

WARM_UP_SECONDS = 1.0


class Engine:
    """The backbone at work. It keeps nothing between calls, so several threads may run batches at once."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone

    @torch.inference_mode()
    def run(self, groups: Sequence[Group]) -> list[Tensor]:
        """Answer a batch in which rows belong to different tasks.

        An image that several tasks without prompts are asked about is computed once, if it is the same array.

        Returns:
            For each group a float32 tensor (rows, labels) on the CPU: probabilities, or logits where the task's
            activation is "none".

        Raises:
            ForwardFailed: a score is not finite.
        """
        rows = self._features(groups).split([len(images) for _, images in groups])
        return _to_host(
            scores([(resident, part) for (resident, _), part in zip(groups, rows, strict=True)])
        )

    def _features(self, groups: Sequence[Group]) -> Tensor:
        """The feature of each row, (rows, feature_dim)."""
        parts: dict[int, tuple[Prefix, dict[int, Pixels]]] = {}
        for resident, images in groups:
            _, distinct = parts.setdefault(_part(resident), (resident.prefix, {}))
            distinct.update((id(image), image) for image in images)
        stacked = np.stack([image for _, distinct in parts.values() for image in distinct.values()])
        counts = [(prefix, len(distinct)) for prefix, distinct in parts.values()]
        features = self._backbone.features_mixed(self._normalised(stacked), counts).float()
        computed = [(part, image) for part, (_, distinct) in parts.items() for image in distinct]
        place = {row: index for index, row in enumerate(computed)}
        order = [
            place[_part(resident), id(image)] for resident, images in groups for image in images
        ]
        return features if order == list(range(len(features))) else features[order]

    def _normalised(self, images: Pixels) -> Tensor:
        return self._backbone.preprocess.normalise(
            torch.from_numpy(images).to(self._backbone.device)
        )

    @torch.inference_mode()
    def place(self, file: TaskFile, version: int) -> Resident:
        """Bring a checked task file onto the device; unlike the rest, any thread may call this, beside a batch.

        It only reads the backbone's weights and makes tensors that no batch knows yet.

        Raises:
            UnfitTask: its encoded prompts are not finite in the backbone's precision.
        """
        prefix = self._backbone.encode(file.prompts)
        if not _is_finite(prefix):
            raise UnfitTask(
                f"task {file.manifest.task!r}: expected finite keys and values of its prompts, found others"
            )
        resident = Resident(
            file.manifest, version, prefix, file.head.to(self._backbone.device, torch.float32)
        )
        if (
            self._backbone.device.type == "cuda"
        ):  # the engine's thread may use another stream than this one
            torch.cuda.current_stream(self._backbone.device).synchronize()
        return resident

    def settle(self, file: TaskFile, version: int) -> Resident:
        """Bring a checked task file onto the device and smoke_test that it answers.

        Raises:
            UnfitTask: see `place` and `smoke_test`.
        """
        resident = self.place(file, version)
        self.smoke_test(resident)
        return resident

    @torch.inference_mode()
    def smoke_test(self, resident: Resident) -> None:
        """Let a resident answer once, before anybody asks it.

        Raises:
            UnfitTask: its scores for a blank image are not finite.
        """
        try:
            self.run([(resident, [self._blank()])])
        except ForwardFailed:
            raise UnfitTask(
                f"task {resident.task!r}: expected finite scores for a blank image, found others"
            ) from None

    @torch.inference_mode()
    def warm_up(self, batches: Sequence[int], seconds: float = WARM_UP_SECONDS) -> int:
        """Run the bare backbone on batches of these sizes, so that no request pays for a first time.

        A size's first forward makes the kernels for it, some 20 ms; the smallest batches are the most frequent and
        those that notice, so they should come first. It ends once it has taken `seconds`.

        Returns:
            How many of them were run, at least one.
        """
        begun, ran = perf_counter(), 0
        for size in batches:
            self._backbone.features(self._normalised(np.stack([self._blank()] * size)))
            ran += 1
            if perf_counter() - begun >= seconds:
                break
        return ran

    def _blank(self) -> Pixels:
        return np.zeros(self._backbone.preprocess.input_size, np.uint8)


def _is_finite(prefix: Prefix) -> bool:
    tensors = (*prefix.keys_values, *(() if prefix.tokens is None else (prefix.tokens,)))
    return not tensors or bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all())


def _part(resident: Resident) -> int:
    """Equal for residents that make the same feature of an image: those without prompts."""
    return 0 if resident.prefix.is_empty else id(resident.prefix)


def _to_host(found: Sequence[Tensor]) -> list[Tensor]:
    # One transfer for the whole batch: a device waits for each.
    flat = torch.cat([part.flatten() for part in found]).cpu()
    if not flat.isfinite().all():
        raise ForwardFailed("scores: expected finite numbers, found others")
    parts = flat.split([part.numel() for part in found])
    return list(starmap(Tensor.view_as, zip(parts, found, strict=True)))
