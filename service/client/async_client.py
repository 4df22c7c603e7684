"""The client of `client` for asyncio: the same calls, awaited."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Self, TypeVar

import httpx

from . import calls
from .answers import (
    Embedding,
    ExamplesChanged,
    Live,
    PredictResult,
    Published,
    TaskDetail,
    TaskExamples,
    TaskList,
)
from .client import TASKS_PER_REQUEST, Method, Priority
from .exchange import Exchange, Outcome, Read, Retries, Send, Steps, Wait
from .parts import IMAGES_PER_REQUEST, REQUEST_BYTES, Image
from .trainings import calls as training_calls
from .trainings.answers import (
    TrainingDetail,
    TrainingImage,
    TrainingImages,
    TrainingList,
    TrainingSummary,
)
from .views import calls as view_calls
from .views.answers import EventList, Explanation, SampleList

T = TypeVar("T")


class AsyncClient:
    """The calls of one server; use it as an asynchronous context manager.

    The calls of many coroutines share its connections; files are read in threads. See `Client` for
    the arguments.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout: float = 60.0,
        deadline: float | None = None,
        retries: Retries = Retries(),  # noqa: B008  (frozen)
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._timeout, self._deadline, self._retries = timeout, deadline, retries
        self._http = httpx.AsyncClient(transport=transport, **calls.http_options(self._url, key))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def predict(
        self,
        task: str | Sequence[str],
        images: Image | Iterable[Image],
        *,
        top_k: int = 5,
        abstain: bool = False,
        priority: Priority | None = None,
        max_images: int = IMAGES_PER_REQUEST,
        max_bytes: int = REQUEST_BYTES,
        deadline: float | None = None,
    ) -> list[PredictResult]:
        """Classify images by a task, or by several at once.

        Any number of images is sent in requests of a bounded size, one after another.

        Args:
            task: a name, several, or "*" for all that are live.
            images: bytes, a file name with bytes, or a path; or any number of them.
            top_k: how many labels to return.
            abstain: whether a task may answer that an image is none of its own; see
                `PredictResult.label`. Its file must state a threshold.
            priority: how the call competes with others while it waits.
            max_images: of one request.
            max_bytes: of the images of one request, unless a single one has more.
            deadline: seconds for the whole call, in place of the client's.

        Returns:
            The result of each image by each task, image by image in their order.

        Raises:
            ClientError: the server refuses, or cannot be reached.
            OSError: a file cannot be read.
        """
        asked = calls.predict(
            self._exchange(deadline),
            task,
            images,
            top_k=top_k,
            abstain=abstain,
            priority=priority,
            max_images=max_images,
            max_bytes=max_bytes,
        )
        return await self._do(asked)

    async def embed(
        self,
        model: str,
        images: Image | Iterable[Image],
        *,
        dimensions: int | None = None,
        max_images: int = IMAGES_PER_REQUEST,
        max_bytes: int = REQUEST_BYTES,
        deadline: float | None = None,
    ) -> list[Embedding]:
        """Return the pooled feature of each image.

        Args:
            model: a task, under whose prompts the images are seen, or `backbone`.
            images, max_images, max_bytes, deadline: see `predict`.
            dimensions: so many numbers from the front, scaled to length one.

        Raises:
            ClientError, OSError: see `predict`.
        """
        asked = calls.embed(
            self._exchange(deadline),
            model,
            images,
            dimensions=dimensions,
            max_images=max_images,
            max_bytes=max_bytes,
        )
        return await self._do(asked)

    async def explain(self, task: str, image: Image, *, layer: int = -1) -> Explanation:
        """Show where the class token looks in an image, with the task and without."""
        return await self._do(view_calls.explain(self._exchange(), task, image, layer))

    async def samples(self, task: str) -> SampleList:
        """List the images that a task's file carries."""
        return await self._do(view_calls.samples(self._exchange(), task))

    async def sample(self, task: str, number: int) -> bytes:
        """Return one of them by its place in that list, from 0."""
        return await self._do(view_calls.sample(self._exchange(), task, number))

    async def events(self, limit: int = 50) -> EventList:
        """List the last changes of all tasks, the newest first."""
        return await self._do(view_calls.events(self._exchange(), limit))

    async def tasks(self, *, per_request: int = TASKS_PER_REQUEST) -> TaskList:
        """List all tasks, with the backbone that serves them."""
        return await self._do(calls.tasks(self._exchange(), per_request))

    async def task(self, task: str) -> TaskDetail:
        """Show one task with its manifest, versions and history."""
        return await self._do(calls.task(self._exchange(), task))

    async def publish(
        self, task: str, file: bytes | PathLike[str], *, activate: bool = True
    ) -> Published:
        """Upload a task file as the next version, and make it live if `activate`.

        The same bytes are the same version, so a call may be repeated.

        Args:
            task: its name.
            file: the task file's bytes, or its path.
            activate: whether the next request is answered by it.

        Raises:
            ClientError: the server refuses, cannot be reached, or has stored other bytes.
            OSError: the file cannot be read.
        """
        return await self._do(calls.publish(self._exchange(), task, file, activate))

    async def download(self, task: str, version: int) -> bytes:
        """Return the task file of a version."""
        return await self._do(calls.download(self._exchange(), task, version))

    async def activate(self, task: str, version: int) -> Live:
        """Make a stored version live."""
        return await self._do(calls.activate(self._exchange(), task, version))

    async def add_examples(
        self,
        task: str,
        examples: Mapping[str, Image | Iterable[Image]],
        *,
        method: Method | None = None,
        adaptation: str | None = None,
        max_images: int = IMAGES_PER_REQUEST,
        max_bytes: int = REQUEST_BYTES,
        deadline: float | None = None,
    ) -> ExamplesChanged:
        """Create an instant task, or extend it; it is live when this returns.

        The same image counts once, so a call may be repeated.

        Args:
            task: its name.
            examples: images by label; a label may be new.
            method: ncm, knn or lda of a task that begins, lda by default.
            adaptation: task under whose adaptation the images of one that begins become features;
                None for the bare backbone.
            max_images, max_bytes, deadline: see `predict`. Each request is a version.

        Raises:
            ClientError: the server refuses, or cannot be reached; requests before stay done.
            OSError: a file cannot be read.
        """
        asked = calls.add_examples(
            self._exchange(deadline),
            task,
            examples,
            method=method,
            adaptation=adaptation,
            max_images=max_images,
            max_bytes=max_bytes,
        )
        return await self._do(asked)

    async def examples(self, task: str) -> TaskExamples:
        """List the examples of an instant task by label."""
        return await self._do(calls.examples(self._exchange(), task))

    async def change_method(self, task: str, method: Method) -> ExamplesChanged:
        """Tell an instant task's labels apart by another method; its examples stay."""
        return await self._do(calls.change_method(self._exchange(), task, method))

    async def forget(
        self, task: str, *, label: str | None = None, example: str | None = None
    ) -> ExamplesChanged:
        """Forget a label of an instant task with its examples, or one example by its id."""
        return await self._do(calls.forget(self._exchange(), task, label, example))

    async def live_version(self, task: str) -> int:
        """Return the number of the live version.

        Raises:
            ClientError: there is none.
        """
        return await self._do(calls.live_version(self._exchange(), task))

    async def rollback(self, task: str) -> Live:
        """Make the version live that was live before the one that is.

        Of a task that has been retired, it is the last one that was live.

        Raises:
            ClientError: no other version was ever live, or none that is still stored.
        """
        return await self._do(calls.rollback(self._exchange(), task))

    async def retire(self, task: str) -> None:
        """Take a task out of service; its versions stay stored."""
        await self._do(calls.retire(self._exchange(), task))

    async def delete(self, task: str, version: int) -> None:
        """Delete a version that is not live; its number is never used again."""
        await self._do(calls.delete(self._exchange(), task, version))

    async def trainings(self) -> TrainingList:
        """List the trainings of the tasks that the key covers."""
        return await self._do(training_calls.every(self._exchange()))

    async def training(self, id: str) -> TrainingDetail:
        """Show a training, with what came of it once it is done."""
        return await self._do(training_calls.one(self._exchange(), id))

    async def create_training(
        self,
        task: str,
        *,
        method: str | None = None,
        budget_seconds: int | None = None,
        keep_seconds: int | None = None,
    ) -> TrainingSummary:
        """Create a training, which takes images until it is started.

        Args:
            task: that it is of; it need not exist.
            method: by default several are tried and the best is taken.
            budget_seconds: for that.
            keep_seconds: after which it is deleted with its images; a day by default.
        """
        asked = training_calls.create(
            self._exchange(),
            task,
            method=method,
            budget_seconds=budget_seconds,
            keep_seconds=keep_seconds,
        )
        return await self._do(asked)

    async def add_training_images(
        self,
        id: str,
        labelled: Mapping[str, Image | Iterable[Image]],
        *,
        max_images: int = IMAGES_PER_REQUEST,
        max_bytes: int = REQUEST_BYTES,
    ) -> TrainingImages:
        """Send a training images by label; see `add_examples`.

        Raises:
            ClientError: the server refuses, or cannot be reached; requests before stay done.
            OSError: a file cannot be read.
        """
        asked = training_calls.add_images(
            self._exchange(), id, labelled, max_images=max_images, max_bytes=max_bytes
        )
        return await self._do(asked)

    async def training_images(self, id: str) -> TrainingImages:
        """List the images of a training."""
        return await self._do(training_calls.images(self._exchange(), id))

    async def label_training_image(self, id: str, image: str, label: str) -> TrainingImage:
        """Give an image of a training another label."""
        return await self._do(training_calls.label(self._exchange(), id, image, label))

    async def remove_training_image(self, id: str, image: str) -> None:
        """Remove an image from a training; the server deletes its bytes."""
        await self._do(training_calls.remove_image(self._exchange(), id, image))

    async def start_training(self, id: str) -> TrainingSummary:
        """Let a training wait for its turn, whether or not it was trained before."""
        return await self._do(training_calls.act(self._exchange(), id, "start"))

    async def cancel_training(self, id: str) -> TrainingSummary:
        """Take a training out of the queue, or end it; it can be started again."""
        return await self._do(training_calls.act(self._exchange(), id, "cancel"))

    async def publish_training(self, id: str, *, activate: bool = True) -> Published:
        """Make the next version of its task of what a training made."""
        return await self._do(training_calls.publish(self._exchange(), id, activate))

    async def delete_training(self, id: str) -> None:
        """Delete a training with its images and all; what was published stays."""
        await self._do(training_calls.delete(self._exchange(), id))

    def _exchange(self, deadline: float | None = None) -> Exchange:
        most = self._deadline if deadline is None else deadline
        return Exchange(self._url, self._retries, self._timeout, most)

    async def _do(self, call: Steps[T]) -> T:
        outcome: Outcome = None
        while True:
            try:
                step = call.send(outcome)
            except StopIteration as done:
                return done.value
            outcome = await self._done(step)

    async def _done(self, step: Send | Wait | Read) -> Outcome:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            return None
        if isinstance(step, Read):
            return await asyncio.to_thread(step.read)
        try:
            return await self._http.request(step.method, step.path, **step.options)
        except httpx.RequestError as error:
            return error
