"""Frames and messages: they arrive as they were sent, however the stream is cut."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facet_vision.service import errors
from facet_vision.service.http.middleware.request_ids import Ids
from facet_vision.service.predictor.protocol import Prediction, PredictRequest
from facet_vision.service.predictor.wire import (
    Channel,
    Kind,
    error_bytes,
    error_of,
    images_of,
    images_parts,
    predictions_bytes,
    predictions_of,
    request_bytes,
    request_of,
)
from facet_vision.service.telemetry.traces import Trace, Unrecorded

FRAMES = st.lists(
    st.tuples(st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=300)), max_size=8
)


class Recorded:
    """A transport that records what is written."""

    def __init__(self) -> None:
        self.written = b""

    def writelines(self, parts: list[bytes]) -> None:
        self.written += b"".join(parts)


@given(FRAMES, st.lists(st.integers(0, 400), max_size=30))
def test_frames_arrive_whole_however_the_stream_is_cut(
    frames: list[tuple[Kind, int, bytes]], cuts: list[int]
) -> None:
    wire, received = Recorded(), []
    sender = Channel(lambda *_: None, lambda: None)
    sender.connection_made(wire)  # type: ignore[arg-type]
    for kind, number, payload in frames:
        sender.send(kind, number, payload[:7], payload[7:])
    receiver = Channel(lambda *frame: received.append(frame), lambda: None)
    stream = wire.written
    for cut in cuts:
        receiver.data_received(stream[:cut])
        stream = stream[cut:]
    receiver.data_received(stream)
    assert received == frames


def test_nothing_is_sent_once_the_connection_has_ended() -> None:
    wire, lost = Recorded(), []
    channel = Channel(lambda *_: None, lambda: lost.append(True))
    assert not channel.open
    channel.connection_made(wire)  # type: ignore[arg-type]
    assert channel.open
    channel.connection_lost(None)
    channel.send(Kind.CANCEL, 1)
    assert (wire.written, lost, channel.open) == (b"", [True], False)


@given(
    st.builds(
        PredictRequest,
        tasks=st.lists(st.text(max_size=20), max_size=4),
        images=st.integers(1, 64),
        deadline=st.floats(0, 1e6),
        top_k=st.integers(1, 1000),
        priority=st.sampled_from(["high", "normal", "low"]),
        output=st.sampled_from(["labels", "features"]),
        activation=st.sampled_from(["softmax", "sigmoid", "none", None]),
    )
)
def test_a_request_arrives_with_its_ids_and_the_time_it_has_left(sent: PredictRequest) -> None:
    place = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "01")
    with Ids("order-17", Unrecorded(place)).known():
        payload = request_bytes(sent, 40.0)
    arrived, identity, trace = request_of(payload, 1000.0)
    assert (identity, trace) == ("order-17", place)
    assert request_of(request_bytes(sent, 40.0), 1000.0)[1:] == ("", None)
    assert arrived == replace(sent, deadline=arrived.deadline)
    assert math.isclose(arrived.deadline - 1000.0, sent.deadline - 40.0, abs_tol=1e-6)


@given(st.lists(st.tuples(st.text(max_size=20), st.floats(width=32, allow_nan=False)), max_size=6))
def test_predictions_arrive_to_the_last_bit(best: list[tuple[str, float]]) -> None:
    prediction = Prediction("pets", 3, "score", best, 0.1, 0.25)
    (arrived,) = predictions_of(predictions_bytes([prediction]))
    assert [tuple(pair) for pair in arrived.best] == best
    assert (arrived.task, arrived.version, arrived.field) == ("pets", 3, "score")
    assert (arrived.queue_seconds, arrived.forward_seconds) == (0.1, 0.25)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=4), st.integers(1, 50))
def test_features_arrive_to_the_last_bit_in_four_bytes_a_number(seeds: list[int], dim: int) -> None:
    features = [
        np.random.default_rng(seed).standard_normal(dim, dtype=np.float32) for seed in seeds
    ]
    sent = [Prediction("pets", 3, "feature", (), 0.1, 0.25, feature) for feature in features]
    payload = predictions_bytes(sent)
    assert len(payload) <= len(seeds) * (4 * dim + 60)
    for arrived, feature in zip(predictions_of(payload), features, strict=True):
        assert (arrived.task, arrived.field, list(arrived.best)) == ("pets", "feature", [])
        assert arrived.numbers is not None
        np.testing.assert_array_equal(arrived.numbers, feature)


@given(st.lists(st.booleans(), min_size=1, max_size=6), st.integers(1, 5))
def test_images_arrive_each_with_its_type(floats: list[bool], side: int) -> None:
    random = np.random.default_rng(side)
    size = (3, side, side)
    images = [
        random.standard_normal(size, dtype=np.float32)
        if as_float
        else random.integers(0, 256, size, dtype=np.uint8)
        for as_float in floats
    ]
    payload = b"".join(images_parts(images))
    assert len(payload) == len(images) + sum(image.nbytes for image in images)
    arrived = images_of(payload, len(images), size)
    for image, sent in zip(arrived, images, strict=True):
        assert image.dtype == sent.dtype
        np.testing.assert_array_equal(image, sent)


def kinds(root: type[errors.ServiceError]) -> list[type[errors.ServiceError]]:
    return [root, *(kind for below in root.__subclasses__() for kind in kinds(below))]


@pytest.mark.parametrize("kind", kinds(errors.ServiceError))
def test_every_error_of_the_service_arrives_as_itself(kind: type[errors.ServiceError]) -> None:
    if kind is errors.TooManyRequests:
        limited = errors.TooManyRequests("one sentence", 7, "images-per-second", 20, 1.0, 3)
        arrived = error_of(error_bytes(limited))
        assert vars(arrived) == vars(limited)
        assert type(arrived) is kind
        return
    busy = issubclass(kind, errors.Overloaded)
    arrived = error_of(error_bytes(kind("one sentence", 7) if busy else kind("one sentence")))  # type: ignore[call-arg]
    assert (type(arrived), str(arrived)) == (kind, "one sentence")
    assert getattr(arrived, "retry_after", None) == (7 if busy else None)


def test_the_text_of_a_foreign_error_is_not_sent() -> None:
    arrived = error_of(error_bytes(ValueError("secret")))
    assert isinstance(arrived, RuntimeError)
    assert "secret" not in str(arrived)
