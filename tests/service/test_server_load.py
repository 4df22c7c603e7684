"""A real server under load: uploads and rollbacks while sixteen clients send requests."""

import asyncio
import itertools
import random
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.service.support.app import PNG, TASK_FILE, numbered, png, small_backbone
from tests.service.support.processes import Server, small_server

pytestmark = pytest.mark.anyio

TASKS = {"linear": 40, "wide": 60, "narrow": 35, "other": 50}  # name and number of labels
CHANGES = 50
CLIENTS = 16


@dataclass
class Answered:
    """One answer, with the times of its request and its arrival."""

    task: str
    version: int
    label: str
    asked: float
    answered: float


@dataclass
class Timeline:
    """When each version may have been live.

    That is from the request to activate it to the answer of the one that replaced it.
    """

    changes: dict[str, list[tuple[int, float, float]]] = field(
        default_factory=lambda: {task: [] for task in TASKS}
    )

    def was_live(self, answer: Answered) -> bool:
        changes = self.changes[answer.task]
        ends = [acknowledged for _, _, acknowledged in changes[1:]] + [float("inf")]
        return any(
            version == answer.version and answer.answered >= requested and answer.asked <= end
            for (version, requested, _), end in zip(changes, ends, strict=True)
        )


@pytest.mark.parametrize(
    "given",
    [{}, {"device_budget": "15KB", "host_budget": "8KB"}, {"http_workers": 2}],
    ids=["all", "two of four", "HTTP workers"],
)
async def test_fifty_changes_under_load_and_no_wrong_answer(
    tmp_path: Path, given: dict[str, object]
) -> None:
    """Both where all tasks fit on the device and where they are evicted and loaded constantly."""
    with small_server(tmp_path, **given) as server:
        timeline, contents, answers, seconds = await _load(server)
    assert sum(len(changes) for changes in timeline.changes.values()) >= CHANGES
    assert len(answers) > CHANGES * 4
    assert {answer.task for answer in answers} == set(TASKS)
    # the label identifies the file that answered the row: it must be the one of its version
    assert [a for a in answers if a.label != f"v{contents[a.task, a.version]}"] == []
    assert [a for a in answers if not timeline.was_live(a)] == []
    # tens of milliseconds on a quiet machine; the bound leaves room for a busy one
    assert statistics.median(seconds) < 1


async def _load(
    server: Server,
) -> tuple[Timeline, dict[tuple[str, int], int], list[Answered], list[float]]:
    timeline, contents, answers, done = Timeline(), {}, [], asyncio.Event()
    limits = httpx.Limits(max_connections=CLIENTS + 1, max_keepalive_connections=CLIENTS + 1)
    async with httpx.AsyncClient(base_url=server.url, timeout=30, limits=limits) as http:
        changer = _Changer(http, timeline, contents)
        for task in TASKS:
            await changer.upload(task)
        asking = [asyncio.create_task(_ask(http, answers, done, seed)) for seed in range(CLIENTS)]
        for step in range(CHANGES - len(TASKS)):
            await changer.change(step)
            await asyncio.sleep(0.02)
        done.set()
        await asyncio.gather(*asking)
    return timeline, contents, answers, changer.seconds


async def _ask(
    http: httpx.AsyncClient, answers: list[Answered], done: asyncio.Event, seed: int
) -> None:
    pick, image = random.Random(seed), png(seed)
    while not done.is_set():
        asked = time.monotonic()
        if pick.random() < 0.3:  # several tasks in one request, thus in one mixed batch
            wanted = ",".join(pick.sample(sorted(TASKS), 3))
            response = await http.post(
                "/v1/predict", files=[("file", ("a.png", image))], data={"tasks": wanted}
            )
        else:
            response = await http.post(
                f"/v1/tasks/{pick.choice(sorted(TASKS))}/predict", content=image, headers=PNG
            )
        answered = time.monotonic()
        assert response.status_code == 200, response.text
        for result in response.json()["results"]:
            label = result["predictions"][0]["label"]
            answers.append(Answered(result["task"], result["version"], label, asked, answered))


class _Changer:
    """Uploads and rolls back, and records when."""

    def __init__(
        self, http: httpx.AsyncClient, timeline: Timeline, contents: dict[tuple[str, int], int]
    ) -> None:
        self._http = http
        self._timeline = timeline
        self._contents = contents
        self._small = small_backbone()
        self._numbers = itertools.count(1)
        self._names = itertools.cycle(TASKS)
        self.seconds: list[float] = []

    async def change(self, step: int) -> None:
        task = next(self._names)
        versions = [version for (name, version) in self._contents if name == task]
        if step % 3 == 2:
            await self.roll_back(task, random.Random(step).choice(versions))
        else:
            await self.upload(task)

    async def upload(self, task: str) -> None:
        number = next(self._numbers) % TASKS[task]
        data = numbered(self._small, task, number, TASKS[task])
        begun = time.monotonic()
        # Recorded before the answer: another client may be answered by this version first.
        version = 1 + len({v for (name, v) in self._contents if name == task})
        self._contents[task, version] = number
        response = await self._http.post(
            f"/v1/tasks/{task}/versions", content=data, headers=TASK_FILE
        )
        assert response.status_code == 201, response.text
        assert response.json()["version"] == version
        self._record(task, version, begun)

    async def roll_back(self, task: str, version: int) -> None:
        begun = time.monotonic()
        response = await self._http.put(f"/v1/tasks/{task}/live", json={"version": version})
        assert response.status_code == 200, response.text
        self._record(task, version, begun)

    def _record(self, task: str, version: int, begun: float) -> None:
        ended = time.monotonic()
        self.seconds.append(ended - begun)
        self._timeline.changes[task].append((version, begun, ended))
