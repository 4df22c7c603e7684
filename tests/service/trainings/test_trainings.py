"""What a server does with trainings: take them up, keep them as long as wanted, train them."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from facet_vision.prompts_store import Store, open_store
from facet_vision.prompts_store.keys import TRAININGS, WORK
from facet_vision.service.errors import (
    Draining,
    Overloaded,
    UnknownTraining,
    WrongState,
)
from facet_vision.service.settings import Settings
from facet_vision.service.trainings import runner, watchers
from facet_vision.service.trainings.adding import NewImage
from facet_vision.service.trainings.log import TrainingLog
from facet_vision.service.trainings.owner import this_server, whereabouts
from facet_vision.service.trainings.record import Begun, Queued
from facet_vision.service.trainings.trainings import Trainings
from tests.service.support.trainings import Fake, picture

pytestmark = pytest.mark.anyio

IMAGES = [
    NewImage(picture(label, number), label, None, "image/png")
    for label in ("red", "blue")
    for number in range(2)
]
ENDED = f"{socket.gethostname()}/{os.getpid()}/1"
"""A server that had this process's number before."""


@dataclass
class Now:
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def anything(_task: str) -> bool:
    return True


def made(store: Store, **more: Any) -> Trainings:
    parts = {name: more.pop(name) for name in ("now", "command") if name in more}
    return Trainings(Settings(training_priority="normal", **more), store, **parts)


@asynccontextmanager
async def opened(store: Store, fake: Fake) -> AsyncIterator[Trainings]:
    trainings = made(store, command=fake)
    trainings.open()
    try:
        yield trainings
    finally:
        await trainings.close()


async def created(trainings: Trainings, keep: int | None = None) -> str:
    training = await trainings.create("t", "linear", None, keep, by="x")
    await trainings.add(training.id, IMAGES, by="x")
    return training.id


async def state(trainings: Trainings, id: str) -> str:
    return (await trainings.get(id, anything)).state


async def until(holds: Callable[[], Any], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.02)


async def test_images_go_when_their_time_is_over(store: Store, tmp_path: Path) -> None:
    now = Now()
    trainings = made(store, now=now)
    short, long, always = [await created(trainings, keep) for keep in (60, 3600, None)]
    now.at += timedelta(seconds=59)
    await trainings.sweep()
    assert len(await trainings.all(anything)) == 3
    now.at += timedelta(seconds=1)
    with pytest.raises(UnknownTraining):  # before it is swept
        await trainings.get(short, anything)
    assert {each.id for each in await trainings.all(anything)} == {long, always}
    await made(store, now=now).sweep()  # a server that was started since
    assert not (tmp_path / "store" / TRAININGS / short).exists()
    now.at += timedelta(days=10_000)
    await trainings.sweep()
    assert [path.name for path in (tmp_path / "store" / TRAININGS).iterdir()] == [always]


async def test_one_whose_time_is_over_is_ended(store: Store, fake: Fake) -> None:
    now = Now()
    trainings = made(store, command=fake, now=now)
    trainings.open()
    try:
        id = await created(trainings, 60)
        await trainings.start(id, by="x")
        await until(lambda: _progress(trainings, id))
        now.at += timedelta(seconds=60)
        await trainings.sweep()
        follower = await created(trainings)
        fake.let_go()
        await trainings.start(follower, by="x")
        await until(lambda: _is(trainings, follower, "done"))
        assert [each.id for each in await trainings.all(anything)] == [follower]
    finally:
        await trainings.close()


async def _progress(trainings: Trainings, id: str) -> bool:
    return trainings.progress(id) is not None


async def _is(trainings: Trainings, id: str, wanted: str) -> bool:
    return await state(trainings, id) == wanted


@pytest.mark.parametrize("begun", [True, False])
async def test_what_a_server_of_this_host_left_is_taken_up(
    store: Store, fake: Fake, tmp_path: Path, begun: bool
) -> None:
    fake.let_go()
    id = await created(made(store))
    log = TrainingLog(store.tree(TRAININGS))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    log.append(id, lambda _: Queued(at=at, by="x", owner=ENDED))
    if begun:
        log.append(id, lambda _: Begun(at=at, by="x", owner=ENDED))
    stale = tmp_path / "store" / WORK / ("1" * 16)
    stale.mkdir(parents=True)
    async with opened(store, fake) as trainings:
        await until(lambda: _is(trainings, id, "done"))
        assert (await trainings.get(id, anything)).run == 1  # continued, not begun anew
        assert not stale.exists()


async def test_what_runs_when_a_server_stops_is_taken_up_by_the_next(
    store: Store, fake: Fake, tmp_path: Path
) -> None:
    async with opened(store, fake) as trainings:
        id = await created(trainings)
        await trainings.start(id, by="x")
        await until(lambda: _progress(trainings, id))
        with pytest.raises(WrongState, match="neither queued nor running"):
            await trainings.start(id, by="x")
    desk = tmp_path / "store" / WORK / id / "1"
    assert (desk / "table.csv").exists()  # what it continues from
    training = TrainingLog(store.tree(TRAININGS)).get(id)
    assert training.state == "running"
    with pytest.raises(Draining):
        await trainings.start(id, by="x")


async def test_one_of_another_host_can_be_started_here(store: Store, fake: Fake) -> None:
    id = await created(made(store))
    TrainingLog(store.tree(TRAININGS)).append(
        id, lambda _: Queued(at=datetime.now(UTC), by="x", owner="elsewhere/1/1")
    )
    async with opened(store, fake) as trainings:
        await trainings.take_up()
        assert await state(trainings, id) == "interrupted"
        fake.let_go()
        await trainings.start(id, by="x")
        await until(lambda: _is(trainings, id, "done"))
        assert (await trainings.get(id, anything)).run == 2


async def test_another_server_may_end_what_runs_here(
    store: Store, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LOOK_SECONDS", 0.05)
    async with opened(store, fake) as trainings:
        cancelled, deleted, last = [await created(trainings) for _ in range(3)]
        for id in (cancelled, deleted, last):
            await trainings.start(id, by="x")
        other = made(store)
        await until(lambda: _progress(trainings, cancelled))
        await other.cancel(cancelled, by="x")
        await until(lambda: _progress(trainings, deleted))
        await other.delete(deleted, by="x")
        await until(lambda: _progress(trainings, last))
        fake.let_go()
        await until(lambda: _is(trainings, last, "done"))
        assert await state(trainings, cancelled) == "cancelled"


async def test_changes_at_once_leave_one_history(store: Store, fake: Fake) -> None:
    fake.let_go()
    async with opened(store, fake) as trainings:
        id = await created(trainings)
        started = await asyncio.gather(
            *(trainings.start(id, by="x") for _ in range(8)), return_exceptions=True
        )
        assert sum(isinstance(each, WrongState) for each in started) == 7
        await until(lambda: _is(trainings, id, "done"))
        more = [
            trainings.add(id, [NewImage(picture("green", n), "green", None, "image/png")], by="x")
            for n in range(16)
        ]
        await asyncio.gather(*more)
        training = await trainings.get(id, anything)
        assert training.labels == {"blue": 2, "green": 16, "red": 2}
        ends = await asyncio.gather(
            trainings.delete(id, by="x"),
            trainings.delete(id, by="x"),
            trainings.add(id, IMAGES, by="x"),
            return_exceptions=True,
        )
        assert sum(isinstance(each, UnknownTraining) for each in ends) >= 1
        assert await trainings.all(anything) == []


async def test_watchers_are_bounded_and_end_with_the_server(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchers, "MAX_WATCHERS", 1)
    monkeypatch.setattr(watchers, "PING_SECONDS", 0.01)
    trainings = made(store)
    training = await trainings.get(await created(trainings), anything)
    watching = trainings.watch(training, "")
    first = await anext(watching)
    assert first is not None
    assert first.kind == "state"
    assert await anext(watching) is None
    with pytest.raises(Overloaded, match="at most 1 that watch"):
        trainings.watch(training, "")
    trainings.drain()
    assert [each async for each in watching if each] == []
    again = trainings.watch(training, "")
    assert [each.kind async for each in again if each] == ["state"]


async def test_the_watching_of_a_deleted_training_ends(store: Store) -> None:
    trainings = made(store)
    id = await created(trainings)
    watching = trainings.watch(await trainings.get(id, anything), "")
    await anext(watching)
    await trainings.delete(id, by="x")
    assert [each async for each in watching if each] == []


def test_servers_are_told_apart() -> None:
    assert whereabouts(this_server()) == "here"
    assert whereabouts(ENDED) == "ended"
    assert whereabouts(f"{socket.gethostname()}/999999999/1") == "ended"
    assert whereabouts("another.example/1/1") == "elsewhere"
