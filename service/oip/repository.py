"""Load, unload and index: a store of tasks as a repository of models.

To load a model makes a version of the task live, and a file that comes with the call is uploaded
first; to unload it retires the task. Both are changes of the store, as those of `/v1/tasks` are.
"""

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress

from facet_vision.backbone import BackboneError
from facet_vision.prompts_store import (
    StoreError,
    TaskFileError,
    TaskNotFound,
    TaskNotLive,
    check_task_name,
)
from facet_vision.service.errors import BadRequest, ServiceError, UnfitTask, UnknownTask
from facet_vision.service.residency.listing import Listing
from facet_vision.service.residency.publisher import TaskPublisher

from .models import Document, index_rows, wanted_version

PAGE = 256
"""Tasks that are listed at once."""

MAX_REFUSALS = 100
"""Files refused last that the index remembers."""

REFUSALS = (ServiceError, StoreError, TaskFileError, BackboneError)

CONFIG = "config"
_FILE = re.compile(r"file:([1-9][0-9]{0,8})/[^/]{1,200}")


class Repository:
    """The models of a server. Only the event loop calls its methods.

    Args:
        listing: describes the tasks.
        publisher: changes them.
    """

    def __init__(self, listing: Listing, publisher: TaskPublisher) -> None:
        self._listing = listing
        self._publisher = publisher
        # By task and version: why a file was refused last.
        self._refused: OrderedDict[tuple[str, int], str] = OrderedDict()

    async def index(self, sees: Callable[[str], bool], *, ready: bool) -> list[Document]:
        """Return a row for each version of each task, and one for each file that was refused.

        Args:
            sees: whether a task of that name is to be listed.
            ready: list only what is ready.
        """
        rows = [
            {"name": task, "version": str(version), "state": "UNAVAILABLE", "reason": reason}
            for (task, version), reason in self._refused.items()
            if sees(task)
        ]
        after = ""
        while page := await self._listing.page(after, PAGE):
            rows += [row for listed in page if sees(listed.task) for row in index_rows(listed)]
            after = page[-1].task
        return [row for row in rows if row["state"] == "READY"] if ready else rows

    async def load(self, task: str, parameters: Mapping[str, str | bytes], *, by: str) -> None:
        """Make a version live: that of the file, that which the configuration names, or the newest.

        Args:
            task: the model's name.
            parameters: `config`, JSON; `file:<version>/<name>`, the bytes of a task file.
            by: who asks.

        Raises:
            BadRequest: a parameter is not one of these.
            UnknownTask: there is no such task.
            Exception: what uploading or activating raises.
        """
        try:
            await self._load(task, parameters, by)
        except REFUSALS as error:
            # Words by which the protocol's clients know this from an error of theirs.
            error.args = (f"failed to load {task[:128]!r}: {error}", *error.args[1:])
            raise

    async def _load(self, task: str, parameters: Mapping[str, str | bytes], by: str) -> None:
        check_task_name(task)
        files = {name: data for name, data in parameters.items() if name.startswith("file:")}
        for name in parameters.keys() - files.keys() - {CONFIG}:
            raise BadRequest(f"parameters: expected config and file:…, found {name[:64]!r}")
        wanted = wanted_version(_text(parameters.get(CONFIG, "{}")))
        if not files:
            await self._activate(task, wanted, by)
            return
        if len(files) > 1 or CONFIG not in parameters or wanted is not None:
            raise BadRequest("parameters: expected a config of {} beside one file, found others")
        ((name, data),) = files.items()
        await self._upload(task, name, data, by)

    async def unload(self, task: str, *, by: str) -> None:
        """Retire a task; nothing happens if it is not live.

        Raises:
            UnknownTask: there is no such task.
        """
        try:
            with suppress(TaskNotLive):
                await self._publisher.retire(task, by=by)
        except TaskNotFound as error:
            raise UnknownTask(str(error)) from error

    async def _activate(self, task: str, wanted: int | None, by: str) -> None:
        listed = await self._listing.show(task)
        if not listed.stored:
            raise UnknownTask(f"model {task!r}: expected one with a stored version, found none")
        if wanted is None:
            wanted = listed.live or listed.stored[-1].number
        await self._publisher.activate(task, wanted, by=by)

    async def _upload(self, task: str, name: str, data: str | bytes, by: str) -> None:
        named = _FILE.fullmatch(name)
        if named is None or isinstance(data, str):
            raise BadRequest(
                f"parameters: expected file:<version>/<name> with a task file, found {name[:64]!r}"
            )
        version = int(named[1])
        await self._check_number(task, version, data)
        try:
            publication = await self._publisher.publish(task, data, activate=True, by=by)
        except (TaskFileError, BackboneError, UnfitTask) as error:
            self._remember(task, version, str(error))
            raise
        for refused in [each for each in self._refused if each[0] == task]:
            del self._refused[refused]
        if publication.version.number != version:  # another upload was faster
            raise BadRequest(
                f"parameters: expected file:{version}/… to be the next version, found it stored "
                f"and live as {publication.version.number}"
            )

    async def _check_number(self, task: str, version: int, data: bytes) -> None:
        """Raise BadRequest unless the file is to become, or is, the version of that number."""
        expected = 1
        with suppress(TaskNotFound):
            listed = await self._listing.show(task)
            digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
            same = [each.number for each in listed.stored if each.sha256 == digest]
            expected = same[-1] if same else listed.next_version
        if version != expected:
            raise BadRequest(
                f"parameters: expected file:{expected}/… of model {task!r}, since versions are "
                f"numbered in their order, found file:{version}/…"
            )

    def _remember(self, task: str, version: int, reason: str) -> None:
        self._refused[task, version] = reason
        self._refused.move_to_end((task, version))
        if len(self._refused) > MAX_REFUSALS:
            self._refused.popitem(last=False)


def _text(value: str | bytes) -> str:
    if not isinstance(value, str):
        raise BadRequest("parameters.config: expected JSON as text, found bytes")
    return value
