"""The benchmark of adaptations measures what it says, on a backbone small enough for a test."""

from facet_vision.bench.adaptations import BARE, EVERY, measure
from facet_vision.bench.plans import AdaptationsPlan


def test_every_method_is_timed_beside_the_bare_forward() -> None:
    plan = AdaptationsPlan(
        backbone="facet-tiny", methods=("lora", "vpt-deep+bias"), batch=3, tokens=2, rounds=2
    )
    report = measure(plan)
    records = report.sections[0].records
    assert [each["method"] for each in records] == [BARE, "lora", "vpt-deep+bias", EVERY]
    assert all(len(each["ratio"].rounds) == 2 for each in records)
    # rank 8 beside 160 numbers that become 480, in float32, in 8 layers
    assert records[1]["kilobytes"] == 4 * 8 * 8 * (160 + 480) / 1e3
    assert "| lora |" in report.markdown()
