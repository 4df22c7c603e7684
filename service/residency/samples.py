"""Sample images that task files carry: looked at before they are stored, and shown to people."""

import asyncio
from collections.abc import Sequence

from facet_vision.backbone import ImageError, decode_image
from facet_vision.prompts_store import Store, TaskFile
from facet_vision.prompts_store.samples.facts import SampleFacts
from facet_vision.prompts_store.taskfile import sample_bytes
from facet_vision.service.errors import UnfitTask, UnknownSample

from .bank import Bank
from .listing import Listing
from .lru import LruCache

MAX_PIXELS = 1024 * 1024
"""Of a sample; as many as it can show well in the bytes that it may have."""

CACHE_BYTES = 8 * 1024 * 1024
"""Budget of the samples that were asked for last."""


def check_samples(file: TaskFile) -> None:
    """Decode the samples of an upload: browsers will do so.

    Raises:
        UnfitTask: one is damaged, or of too many pixels.
    """
    for number, sample in enumerate(file.samples):
        try:
            decode_image(sample_bytes(sample), max_pixels=MAX_PIXELS)
        except ImageError as error:
            raise UnfitTask(f"sample {number}: {error}") from None


class TaskSamples:
    """The samples of live versions. Only the event loop calls its methods.

    Args:
        store: every version of every task.
        bank: has the files of some in memory.
        listing: knows what the manifests say.
    """

    def __init__(self, store: Store, bank: Bank, listing: Listing) -> None:
        self._store = store
        self._bank = bank
        self._listing = listing
        self._cache: LruCache[tuple[int, list[bytes]]] = LruCache(CACHE_BYTES)
        # Files are read whole, so one at a time.
        self._reading = asyncio.Semaphore()

    async def facts(self, task: str) -> tuple[int | None, Sequence[SampleFacts]]:
        """Return the number of the live version, if there is one, and what its samples are.

        Raises:
            StoreError: the task is not there, or cannot be read.
        """
        listed = await self._listing.show(task)
        samples = listed.manifest.samples if listed.manifest else None
        return listed.live, samples or ()

    async def image(self, task: str, number: int) -> tuple[SampleFacts, bytes]:
        """Return a sample of the live version by its number, from 0.

        Raises:
            UnknownSample: the live version has none of that number.
            StoreError, TaskFileError: its file cannot be read.
        """
        version, facts = await self.facts(task)
        if version is None or number >= len(facts):
            raise UnknownSample(
                f"sample: expected one of the {len(facts)} of task {task!r}, found {number}"
            )
        async with self._reading:
            images = await self._images(task, version)
        return facts[number], images[number]

    async def _images(self, task: str, version: int) -> list[bytes]:
        known = self._cache.get(task)
        if known is not None and known[0] == version:
            return known[1]
        file = self._bank.data(task, version)

        def read() -> list[bytes]:
            data = self._store.read(task, version) if file is None else file
            return [sample_bytes(each) for each in TaskFile.from_bytes(data).samples]

        images = await asyncio.to_thread(read)
        self._cache.put(task, (version, images), sum(map(len, images)))
        return images
