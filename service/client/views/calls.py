"""The calls that show, as the steps that `Client` does and `AsyncClient` awaits."""

from __future__ import annotations

from functools import partial
from typing import cast
from urllib.parse import quote

from facet_vision.service.client.exchange import Exchange, Read, Steps
from facet_vision.service.client.parts import Image, Named, body, named, read

from .answers import EventList, Explanation, SampleList


def explain(exchange: Exchange, task: str, image: Image, layer: int) -> Steps[Explanation]:
    """Ask where a task looks in an image."""
    part = yield Read(partial(read, list(named(image))))
    content = body(cast(Named, part), [])
    path, query = f"{_path(task)}/explain", {"layer": layer}
    return (yield from exchange.get(Explanation, "POST", path, params=query, **content))


def samples(exchange: Exchange, task: str) -> Steps[SampleList]:
    """List the samples of a task."""
    return (yield from exchange.get(SampleList, "GET", f"{_path(task)}/samples"))


def sample(exchange: Exchange, task: str, number: int) -> Steps[bytes]:
    """Return a sample of a task."""
    return (yield from exchange.send("GET", f"{_path(task)}/samples/{number}")).content


def events(exchange: Exchange, limit: int) -> Steps[EventList]:
    """List the last changes."""
    return (yield from exchange.get(EventList, "GET", "/v1/events", params={"limit": limit}))


def _path(task: str) -> str:
    return f"/v1/tasks/{quote(task, safe='')}"
