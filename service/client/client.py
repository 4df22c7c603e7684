"""A client of the v1 API, over httpx.

It needs neither torch nor the server's code. What each call sends is in `calls`, and when it is
sent again in `exchange`; here it is done.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Literal, Self, TypeVar

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
from .errors import ClientError as ClientError
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

TASKS_PER_REQUEST = 500
Priority = Literal["high", "normal", "low"]
Method = Literal["ncm", "knn", "lda"]


class Client:
    """The calls of one server; use it as a context manager. Threads may share it.

    Args:
        url: such as http://127.0.0.1:8000.
        key: to show, where the server has keys; by default the variable FACET_KEY, "" for none.
        timeout: seconds for each step of a request, such as connecting or reading.
        deadline: seconds for a whole call with its retries; None for no limit. A step that has
            begun gets what is left, so an answer that trickles in may take longer.
        retries: how often a call is made again, and after how long.
        transport: an httpx transport in place of the network.

    Raises:
        ClientError: `url` or `key` is none.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout: float = 60.0,
        deadline: float | None = None,
        retries: Retries = Retries(),  # noqa: B008  (frozen)
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._timeout, self._deadline, self._retries = timeout, deadline, retries
        self._http = httpx.Client(transport=transport, **calls.http_options(self._url, key))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def predict(
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
        return self._do(asked)

    def embed(
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
        return self._do(asked)

    def explain(self, task: str, image: Image, *, layer: int = -1) -> Explanation:
        """Show where the class token looks in an image, with the task and without."""
        return self._do(view_calls.explain(self._exchange(), task, image, layer))

    def samples(self, task: str) -> SampleList:
        """List the images that a task's file carries."""
        return self._do(view_calls.samples(self._exchange(), task))

    def sample(self, task: str, number: int) -> bytes:
        """Return one of them by its place in that list, from 0."""
        return self._do(view_calls.sample(self._exchange(), task, number))

    def events(self, limit: int = 50) -> EventList:
        """List the last changes of all tasks, the newest first."""
        return self._do(view_calls.events(self._exchange(), limit))

    def tasks(self, *, per_request: int = TASKS_PER_REQUEST) -> TaskList:
        """List all tasks, with the backbone that serves them."""
        return self._do(calls.tasks(self._exchange(), per_request))

    def task(self, task: str) -> TaskDetail:
        """Show one task with its manifest, versions and history."""
        return self._do(calls.task(self._exchange(), task))

    def publish(
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
        return self._do(calls.publish(self._exchange(), task, file, activate))

    def download(self, task: str, version: int) -> bytes:
        """Return the task file of a version."""
        return self._do(calls.download(self._exchange(), task, version))

    def activate(self, task: str, version: int) -> Live:
        """Make a stored version live."""
        return self._do(calls.activate(self._exchange(), task, version))

    def add_examples(
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
        return self._do(asked)

    def examples(self, task: str) -> TaskExamples:
        """List the examples of an instant task by label."""
        return self._do(calls.examples(self._exchange(), task))

    def change_method(self, task: str, method: Method) -> ExamplesChanged:
        """Tell an instant task's labels apart by another method; its examples stay."""
        return self._do(calls.change_method(self._exchange(), task, method))

    def forget(
        self, task: str, *, label: str | None = None, example: str | None = None
    ) -> ExamplesChanged:
        """Forget a label of an instant task with its examples, or one example by its id."""
        return self._do(calls.forget(self._exchange(), task, label, example))

    def live_version(self, task: str) -> int:
        """Return the number of the live version.

        Raises:
            ClientError: there is none.
        """
        return self._do(calls.live_version(self._exchange(), task))

    def rollback(self, task: str) -> Live:
        """Make the version live that was live before the one that is.

        Of a task that has been retired, it is the last one that was live.

        Raises:
            ClientError: no other version was ever live, or none that is still stored.
        """
        return self._do(calls.rollback(self._exchange(), task))

    def retire(self, task: str) -> None:
        """Take a task out of service; its versions stay stored."""
        self._do(calls.retire(self._exchange(), task))

    def delete(self, task: str, version: int) -> None:
        """Delete a version that is not live; its number is never used again."""
        self._do(calls.delete(self._exchange(), task, version))

    def trainings(self) -> TrainingList:
        """List the trainings of the tasks that the key covers."""
        return self._do(training_calls.every(self._exchange()))

    def training(self, id: str) -> TrainingDetail:
        """Show a training, with what came of it once it is done."""
        return self._do(training_calls.one(self._exchange(), id))

    def create_training(
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
        return self._do(asked)

    def add_training_images(
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
        return self._do(asked)

    def training_images(self, id: str) -> TrainingImages:
        """List the images of a training."""
        return self._do(training_calls.images(self._exchange(), id))

    def label_training_image(self, id: str, image: str, label: str) -> TrainingImage:
        """Give an image of a training another label."""
        return self._do(training_calls.label(self._exchange(), id, image, label))

    def remove_training_image(self, id: str, image: str) -> None:
        """Remove an image from a training; the server deletes its bytes."""
        self._do(training_calls.remove_image(self._exchange(), id, image))

    def start_training(self, id: str) -> TrainingSummary:
        """Let a training wait for its turn, whether or not it was trained before."""
        return self._do(training_calls.act(self._exchange(), id, "start"))

    def cancel_training(self, id: str) -> TrainingSummary:
        """Take a training out of the queue, or end it; it can be started again."""
        return self._do(training_calls.act(self._exchange(), id, "cancel"))

    def publish_training(self, id: str, *, activate: bool = True) -> Published:
        """Make the next version of its task of what a training made."""
        return self._do(training_calls.publish(self._exchange(), id, activate))

    def delete_training(self, id: str) -> None:
        """Delete a training with its images and all; what was published stays."""
        self._do(training_calls.delete(self._exchange(), id))

    def _exchange(self, deadline: float | None = None) -> Exchange:
        most = self._deadline if deadline is None else deadline
        return Exchange(self._url, self._retries, self._timeout, most)

    def _do(self, call: Steps[T]) -> T:
        outcome: Outcome = None
        while True:
            try:
                step = call.send(outcome)
            except StopIteration as done:
                return done.value
            outcome = self._done(step)

    def _done(self, step: Send | Wait | Read) -> Outcome:
        if isinstance(step, Wait):
            time.sleep(step.seconds)
            return None
        if isinstance(step, Read):
            return step.read()
        try:
            return self._http.request(step.method, step.path, **step.options)
        except httpx.RequestError as error:
            return error
