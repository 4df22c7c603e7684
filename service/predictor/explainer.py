"""Explanations: which patches of an image the class token attends to, with a task and without.

They are computed beside the batches, one at a time on one core, and never wait in their queue.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import torch
from torch import Tensor

from facet_vision.backbone import (
    Adaptation,
    Backbone,
    Pixels,
    check_class_token,
    patch_attention,
)
from facet_vision.backbone.preprocess import Box
from facet_vision.service.access import Keyring
from facet_vision.service.access.limits import Limits
from facet_vision.service.engine.resident import UNADAPTED
from facet_vision.service.engine.threads import use_threads
from facet_vision.service.errors import BadRequest, Draining, Overloaded
from facet_vision.service.residency.resolver import TaskResolver

from .decoder import Decoder, ImageBytes

MAX_WAITING = 8
"""Images that may wait while another one is explained."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where the class token looks.

    Attributes:
        version: of the task.
        box: the part of the upright image that the patches cover.
        adapted, bare: (rows, columns) of float32 that sum to 1: its attention to each patch under
            the task's adaptation, and in the bare backbone.
    """

    task: str
    version: int
    box: Box
    adapted: Tensor
    bare: Tensor


class Explainer:
    """Explains images by the tasks that are live. Only the event loop calls its methods.

    Args:
        backbone: that all tasks share.
        resolver: finds the version that is explained.
        decoder: from bytes to pixels.
        keys: what the callers may ask.
        limits: how much they have asked; shared with the predictor.
        clock: seconds, monotonic.

    Attributes:
        closed: whether new images are refused, since the server shuts down.
    """

    def __init__(
        self,
        backbone: Backbone,
        resolver: TaskResolver,
        decoder: Decoder,
        keys: Keyring,
        limits: Limits,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._backbone = backbone
        self._resolver = resolver
        self._decoder = decoder
        self._keys = keys
        self._limits = limits
        self._clock = clock
        # A pool of threads below it would be in the way of the engine's; see `use_threads`.
        # Its priority is that of the others: a thread of a lower one that is put aside while it
        # holds the interpreter's lock holds up all of them.
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="facet-explain", initializer=partial(use_threads, 1)
        )
        self._asked = 0
        self._seconds = 1.0
        self.closed = False

    def check(self, task: str, layer: int, caller: str) -> None:
        """Raise now what `explain` would raise, as far as that is known without the image.

        Raises:
            UnsupportedBackbone: the backbone has no class token.
            BadRequest: it has no such layer.
            Draining: the server shuts down.
            Overloaded: too many images wait already.
            ServiceError: the task cannot answer, or the caller's key does not allow another image.
        """
        check_class_token(self._backbone)
        layers = len(self._backbone.layer_dims)
        if not -layers <= layer < layers:
            raise BadRequest(
                f"layer: expected one from 0 to {layers - 1}, or from -{layers} to -1 counted from "
                f"the last, found {layer}"
            )
        self._check_room()
        self._resolver.check(task)
        self._limits.check(self._keys.key(caller), 1)

    async def explain(self, task: str, image: ImageBytes, layer: int, caller: str) -> Explanation:
        """Return where the class token of a layer looks in an image.

        Args:
            task: its name.
            image: as it was sent.
            layer: from 0; negative ones count from the last.
            caller: name of the key, "" without keys.

        Raises:
            ImageError: the image cannot be decoded.
            BackboneError, ServiceError: see `check`.
        """
        self.check(task, layer, caller)
        with self._place(), self._limits.held(self._keys.key(caller), 1):
            (resident,) = await self._resolver.residents([task])
            (decoded,) = await self._decoder.decode([image])
            assert decoded.size is not None
            work = partial(self._maps, decoded.pixels, resident.adaptation, layer)
            adapted, bare = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        box = self._backbone.preprocess.box(decoded.size)
        return Explanation(task, resident.version, box, adapted, bare)

    def close(self) -> None:
        """Stop the thread once it has explained its current image."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _check_room(self) -> None:
        if self.closed:
            raise Draining("server: expected to take requests, found it shutting down")
        if self._asked > MAX_WAITING:
            raise Overloaded(
                f"server: expected at most {MAX_WAITING} images that wait to be explained, found "
                "as many",
                self._asked * self._seconds,
            )

    @contextmanager
    def _place(self) -> Iterator[None]:
        self._asked += 1
        try:
            yield
        finally:
            self._asked -= 1

    @torch.inference_mode()
    def _maps(self, pixels: Pixels, adaptation: Adaptation, layer: int) -> tuple[Tensor, Tensor]:
        """Return the attention with the task and without; runs in the thread."""
        begun = self._clock()
        image = self._backbone.preprocess.batch([pixels], self._backbone.device)
        bare = patch_attention(self._backbone, image, UNADAPTED, layer=layer)
        adapted = bare
        if not adaptation.is_empty:
            adapted = patch_attention(self._backbone, image, adaptation, layer=layer)
        found = adapted[0].cpu(), bare[0].cpu()
        self._seconds = self._clock() - begun
        return found
