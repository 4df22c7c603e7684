"""The engine alone computes as many images as it says."""

from pathlib import Path

from facet_vision.bench.servers.engine import EngineAlone
from facet_vision.bench.servers.materials import TaskShape, prepare


def test_every_image_of_a_batch_is_computed(tmp_path: Path) -> None:
    """Also for one task, whose batch has more rows than there are images."""
    materials, net = prepare(
        tmp_path, "facet-tiny", dtype="float32", tasks=1, shape=TaskShape(tokens=2)
    )
    alone, batches = EngineAlone(materials, net, batch=24), []
    forward = net.features_mixed

    def counting(images, groups):
        batches.append(len(images))
        return forward(images, groups)

    net.features_mixed = counting  # type: ignore[method-assign]
    assert alone.rate(materials.tasks, [1.0], 0.01) > 0
    assert set(batches) == {24}
