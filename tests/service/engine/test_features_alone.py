"""Heads of several tasks on a network without prompts, in one batch."""

import numpy as np
import timm
import torch

from facet_vision import backbone
from facet_vision.service.engine.engine import Engine
from tests.service.support.app import task_file


def test_rows_of_different_tasks_answer_as_each_alone() -> None:
    torch.manual_seed(0)
    net = backbone.wrap(timm.create_model("test_resnet", num_classes=0), device="cpu")
    engine = Engine(net)
    files = [
        task_file(net, f"task{seed}", labels=list("abcd"[: seed + 2]), seed=seed)
        for seed in range(3)
    ]
    images = list(np.random.default_rng(0).integers(0, 256, (3, 3, 160, 160), dtype=np.uint8))
    groups = [
        (engine.place_tested(file, version=1), [image])
        for file, image in zip(files, images, strict=True)
    ]
    for group, scores in zip(groups, engine.run(groups), strict=True):
        assert scores.shape == (1, len(group[0].manifest.labels))
        torch.testing.assert_close(scores, engine.run([group])[0], atol=1e-5, rtol=1e-5)
