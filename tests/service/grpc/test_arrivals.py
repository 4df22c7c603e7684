"""Messages are counted while their calls run, and waited for no longer than they may take."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from facet_vision.service.errors import BadRequest, BodyTimeout, BodyTooLarge, Overloaded
from facet_vision.service.grpc.arrivals import Arrivals
from facet_vision.service.grpc.messages import message
from facet_vision.service.http.middleware.body_budget import BodyBudget

Request = message("ModelReadyRequest")
DATA = Request(name="pets").SerializeToString()


async def arriving(*messages: bytes, seconds: float = 0.0) -> AsyncIterator[bytes]:
    await asyncio.sleep(seconds)
    for each in messages:
        yield each


def only(requests: AsyncIterator[bytes]) -> bytes:
    return asyncio.run(Arrivals(BodyBudget(100), 0.05).only(requests))


def test_the_only_message() -> None:
    assert only(arriving(DATA)) == DATA


def test_no_message() -> None:
    with pytest.raises(BadRequest, match="expected one, found none"):
        only(arriving())


def test_a_message_that_does_not_come() -> None:
    with pytest.raises(BodyTimeout, match=r"within 0\.05 seconds"):
        only(arriving(DATA, seconds=5))


def test_messages_count_until_their_calls_end() -> None:
    budget = BodyBudget(len(DATA) + 1)
    arrivals = Arrivals(budget, 1)
    with arrivals.held(DATA, Request) as request:
        assert request.name == "pets"
        assert budget.held == len(DATA)
        with pytest.raises(Overloaded), arrivals.held(DATA, Request):
            pass
    assert budget.held == 0
    with pytest.raises(BodyTooLarge), arrivals.held(DATA * 2, Request):
        pass


def test_bytes_that_are_no_message_are_let_go() -> None:
    budget = BodyBudget(100)
    with (
        pytest.raises(BadRequest, match="expected ModelReadyRequest"),
        Arrivals(budget, 1).held(b"\xff" * 9, Request),
    ):
        pass
    assert budget.held == 0
