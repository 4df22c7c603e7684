"""Numbers of several processes add up, and counters never decrease."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_open

from facet_vision.service.telemetry.multiprocess import Counted, Summed


def registry(
    route: str, requests: int, held: float, seconds: float, trace: str = ""
) -> CollectorRegistry:
    made = CollectorRegistry()
    Counter("requests", "Requests.", ["route"], registry=made).labels(route).inc(requests)
    Gauge("held", "Bytes.", registry=made).set(held)
    histogram = Histogram("seconds", "Seconds.", ["route"], buckets=(1.0, 2.0), registry=made)
    histogram.labels(route).observe(seconds, {"trace_id": trace} if trace else None)
    return made


def text(own: CollectorRegistry, others: Counted) -> list[str]:
    lines = generate_latest(Summed(own, others)).decode().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_equal_series_are_added_and_different_ones_stand_beside_each_other() -> None:
    own = registry("/a", 3, 10, 0.5)
    same = Counted.of(registry("/a", 4, 5, 1.5))
    another = Counted.of(registry("/b", 1, 1, 9.0))
    assert text(own, same) == [
        'requests_total{route="/a"} 7.0',
        "held 15.0",
        'seconds_bucket{le="1.0",route="/a"} 1.0',
        'seconds_bucket{le="2.0",route="/a"} 2.0',
        'seconds_bucket{le="+Inf",route="/a"} 2.0',
        'seconds_count{route="/a"} 2.0',
        'seconds_sum{route="/a"} 2.0',
    ]
    beside = text(own, another)
    assert 'requests_total{route="/a"} 3.0' in beside
    assert 'requests_total{route="/b"} 1.0' in beside
    assert "held 11.0" in beside
    assert 'seconds_bucket{le="2.0",route="/b"} 0.0' in beside


def test_only_counters_remain_of_a_process_that_has_ended() -> None:
    counted = Counted.of(registry("/a", 3, 10, 0.5, "ab"))
    remaining = counted.growing()
    assert {sample.name for sample in remaining.values} == {
        "requests_total",
        "seconds_bucket",
        "seconds_count",
        "seconds_sum",
    }
    assert remaining.exemplars == counted.exemplars != {}


def test_exemplars_travel_and_the_latest_of_a_bucket_stays() -> None:
    earlier = registry("/a", 1, 1, 0.5, "old")
    later = Counted.of(registry("/a", 1, 1, 0.25, "new"))
    arrived = Counted.read(later.write())
    assert (arrived.values, arrived.exemplars) == (later.values, later.exemplars)
    bucket = 'seconds_bucket{le="1.0",route="/a"} 2.0 # {trace_id="new"} 0.25 '
    assert bucket in generate_open(Summed(earlier, arrived)).decode()
