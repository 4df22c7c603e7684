"""What a benchmark serves fits together, and is what was asked for."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from facet_vision import backbone
from facet_vision.bench.mix import weights
from facet_vision.bench.servers.materials import TaskShape, prepare, task_file
from facet_vision.bench.swap import sized_file
from facet_vision.prompts_store import TaskFile, open_store


def test_materials_of_a_timm_backbone_fit_it(tmp_path: Path) -> None:
    name = "test_vit"
    materials, net = prepare(
        tmp_path, name, dtype="float32", tasks=2, shape=TaskShape("deep", 3, 4)
    )
    assert backbone.load(name, checkpoint=materials.checkpoint).fingerprint == net.fingerprint
    store = open_store(materials.store)
    assert store.tasks() == list(materials.tasks) == ["task-00000", "task-00001"]
    first, second = (TaskFile.from_bytes(store.read(task, 1)) for task in materials.tasks)
    first.check_fits(net)
    assert not torch.equal(first.prompts[0], second.prompts[0])
    with Image.open(materials.images[0]) as image:
        assert image.size == (500, 375)
    assert 30_000 < materials.images[0].stat().st_size < 120_000


def test_images_have_the_size_that_was_asked_for(tmp_path: Path) -> None:
    shape = TaskShape(tokens=1)
    materials, _ = prepare(
        tmp_path, "facet-tiny", dtype="float32", tasks=1, shape=shape, image_size=(64, 48)
    )
    with Image.open(materials.images[0]) as image:
        assert image.size == (64, 48)


@pytest.mark.parametrize(("kind", "layers"), [("deep", 8), ("shallow", 1), ("linear", 0)])
def test_a_task_has_the_shape_that_was_asked_for(kind: str, layers: int) -> None:
    net = backbone.load("facet-tiny", pretrained=False)
    file = task_file(net, "a", TaskShape(kind, 7, 9), seed=0)
    assert (len(file.prompts), len(file.manifest.labels)) == (layers, 9)
    assert all(len(prompt) == 7 for prompt in file.prompts)


@pytest.mark.parametrize("megabytes", [0.5, 2.0])
def test_a_sized_file_has_about_that_size(megabytes: float) -> None:
    net = backbone.load("facet-tiny", pretrained=False)
    assert len(sized_file(net, TaskShape(), megabytes)) == pytest.approx(megabytes * 1e6, rel=0.03)


def test_traffic_is_uniform_or_follows_zipf() -> None:
    assert weights(3, "uniform") == [1.0, 1.0, 1.0]
    assert weights(4, "zipf") == [1.0, 1 / 2, 1 / 3, 1 / 4]
