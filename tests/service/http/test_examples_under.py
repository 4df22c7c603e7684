"""Instant tasks under the adaptation of a task that was trained."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone, decode_image
from facet_vision.prompts_store import InstantHead, NotInstant, TaskFile
from facet_vision.service.residency.examples import Examples
from tests.service.support.app import DEPTH, ask, assert_problem, task_file, upload
from tests.service.support.keys import Keys
from tests.service.support.residency import components
from tests.service.support.shades import best, shade, shades, teach

BOTH = {"dark": shades("dark", 4), "light": shades("light", 3)}


@pytest.fixture
def deep(client: TestClient, small: Backbone) -> TaskFile:
    """A task with prompts and a bias, live."""
    plain = task_file(small, "flowers", layers=DEPTH)
    bias = torch.randn(small.feature_dim, generator=torch.Generator().manual_seed(1))
    made = replace(plain, parts={"bias.1.proj.bias": bias})
    upload(client, made)
    return made


def downloaded(client: TestClient, task: str) -> TaskFile:
    version = client.get(f"/v1/tasks/{task}").json()["live"]
    return TaskFile.from_bytes(client.get(f"/v1/tasks/{task}/versions/{version}").content)


def features(net: Backbone, under: TaskFile, images: list[bytes]) -> torch.Tensor:
    pixels = torch.stack([net.preprocess(decode_image(image)) for image in images])
    with torch.inference_mode():
        return net.features(pixels, under.prompts, under.parts).clone()


def test_examples_are_features_under_the_adaptation(
    client: TestClient, small: Backbone, deep: TaskFile
) -> None:
    teach(client, "t", BOTH, adaptation="flowers")
    more = teach(client, "t", {"red": shades("red", 3)})
    assert more.status_code == 201, more.text
    file = downloaded(client, "t")
    images = [*BOTH["dark"], *BOTH["light"], *shades("red", 3)]
    assert isinstance(file.head, InstantHead)
    torch.testing.assert_close(
        file.head.features.float(), features(small, deep, images), atol=5e-3, rtol=5e-3
    )
    assert file.manifest.recipe == {
        "adaptation_of": "flowers",
        "adaptation_version": 1,
        "adaptation_method": "vpt-deep",
    }
    assert (file.manifest.method, file.manifest.layers, file.manifest.tokens) == ("lda", DEPTH, 3)
    for name, part in deep.parts.items():
        assert torch.equal(file.parts[name], part)
    expected = file.head.to(dtype=torch.float32)(features(small, deep, [shade("red", 9)]))
    found = {
        each["label"]: each["probability"]
        for each in ask(client, "t", shade("red", 9)).json()["results"][0]["predictions"]
    }
    served = torch.tensor([found[label] for label in file.manifest.labels])
    torch.testing.assert_close(served, expected.softmax(-1)[0], atol=1e-4, rtol=1e-3)


def test_it_keeps_the_adaptation_that_it_has(client: TestClient, deep: TaskFile) -> None:
    """Whatever becomes of the task that it is from."""
    teach(client, "t", BOTH, adaptation="flowers")
    upload(client, replace(deep, parts={}))
    refused = teach(client, "t", {"red": shades("red", 3)}, adaptation="flowers")
    assert_problem(refused, 409, "that of 'flowers' version 1, under which", "version 2")
    bare = teach(client, "t", {"red": shades("red", 3)}, adaptation="small")
    assert_problem(bare, 409, "found none")
    client.delete("/v1/tasks/flowers")
    assert teach(client, "t", {"red": shades("red", 3)}).status_code == 201
    changed = client.patch("/v1/tasks/t/examples", params={"method": "knn"})
    client.delete("/v1/tasks/t/examples", params={"label": "dark"})
    assert changed.status_code == 200
    assert downloaded(client, "t").parts.keys() == deep.parts.keys()
    assert best(client, "t", shade("red", 9))["label"] == "red"
    again = teach(client, "u", BOTH, adaptation="t")
    assert again.status_code == 201, again.text
    assert downloaded(client, "u").manifest.recipe["adaptation_of"] == "flowers"


def test_a_bare_task_takes_no_features_under_another(client: TestClient, deep: TaskFile) -> None:
    del deep
    teach(client, "t", BOTH)
    refused = teach(client, "t", {"red": shades("red", 3)}, adaptation="flowers")
    assert_problem(refused, 409, "adaptation: expected none, under which", "'flowers' version 1")
    assert teach(client, "t", {"red": shades("red", 3)}, adaptation="t").status_code == 201
    for adaptation, status, words in (("nothing", 404, "nothing"), ("no name", 422, "name")):
        assert_problem(teach(client, "u", BOTH, adaptation=adaptation), status, words)
    assert client.get("/v1/tasks/u").status_code == 404


def test_the_key_must_cover_the_other_task(
    serve: Callable[..., TestClient], small: Backbone, tmp_path: Path
) -> None:
    """Since the new task's file holds a copy of what that one has learned."""
    keys = Keys(tmp_path / "keys.json")
    everything, own = keys.add("all", "publish"), keys.add("own", "publish", tasks=["team-*"])
    client: Any = serve(keys_file=keys.path)
    client.headers.update(everything)
    upload(client, task_file(small, "flowers", layers=DEPTH))
    client.headers.update(own)
    refused = teach(client, "team-a", BOTH, adaptation="flowers")
    assert_problem(refused, 403, "expected a task that it covers")


def test_two_that_begin_it_under_different_adaptations(client: TestClient, deep: TaskFile) -> None:
    """Whoever comes first begins the task, and the other is told so."""
    del deep

    async def both() -> list[Any]:
        examples = components(client).examples
        feature = np.ones(32, np.float32)
        return await asyncio.gather(
            examples.add("t", [("a", "0" * 16, feature)], None, by="1", under=("flowers", 1)),
            examples.add("t", [("b", "1" * 16, 2 * feature)], None, by="2"),
            return_exceptions=True,
        )

    told = client.portal.call(both)  # type: ignore[union-attr]
    (refused,) = [each for each in told if isinstance(each, NotInstant)]
    (made,) = [each for each in told if isinstance(each, Examples)]
    assert "adaptation: expected" in str(refused)
    assert len(made.labels) == 1
    assert client.get("/v1/tasks/t").json()["versions"] == 1
