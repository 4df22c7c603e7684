"""Numbers of several processes add up, and counters never decrease."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from facet_vision.service.telemetry.multiprocess import Sample, Summed, growing, samples


def registry(route: str, requests: int, held: float, seconds: float) -> CollectorRegistry:
    made = CollectorRegistry()
    Counter("requests", "Requests.", ["route"], registry=made).labels(route).inc(requests)
    Gauge("held", "Bytes.", registry=made).set(held)
    histogram = Histogram("seconds", "Seconds.", ["route"], buckets=(1.0, 2.0), registry=made)
    histogram.labels(route).observe(seconds)
    return made


def text(own: CollectorRegistry, others: dict[Sample, float]) -> list[str]:
    lines = generate_latest(Summed(own, others)).decode().splitlines()
    return [line for line in lines if not line.startswith("#") and "_created" not in line]


def test_equal_series_are_added_and_different_ones_stand_beside_each_other() -> None:
    own = registry("/a", 3, 10, 0.5)
    same, another = samples(registry("/a", 4, 5, 1.5)), samples(registry("/b", 1, 1, 9.0))
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
    remaining = growing(samples(registry("/a", 3, 10, 0.5)))
    assert {sample.name for sample in remaining} == {
        "requests_total",
        "seconds_bucket",
        "seconds_count",
        "seconds_sum",
    }
