"""Features, activations and floats through the predictor, beside the engine and over its socket."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
import torch

from facet_vision.backbone import Pixels
from facet_vision.prompts_store import Store, open_store
from facet_vision.service.components import Components
from facet_vision.service.errors import BadRequest, UnknownTask
from facet_vision.service.predictor.pace import Pace
from facet_vision.service.predictor.protocol import Prediction, Predictor, PredictRequest
from facet_vision.service.predictor.remote import RemotePredictor
from facet_vision.service.settings import Settings
from tests.service.support.app import DEPTH, SIDE, small_backbone, task_file

pytestmark = pytest.mark.anyio

SMALL = small_backbone()
DEEP = task_file(SMALL, "deep", layers=DEPTH, labels=["a", "b", "c"], seed=1)
random = np.random.default_rng(0)
BYTES = random.integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8)
FLOATS = random.standard_normal((3, SIDE, SIDE), dtype=np.float32)


def published(*files: Any) -> Store:
    store = open_store("memory:")
    for file in files:
        store.publish(file.manifest.task, file.to_bytes(), by="test")
        store.activate(file.manifest.task, 1, by="test")
    return store


@asynccontextmanager
async def predicting(where: str, folder: Path, *files: Any) -> AsyncIterator[Predictor]:
    parts = Components.build(Settings(), published(DEEP, *files), SMALL)
    async with parts.running():
        if where == "beside":
            yield parts.context.predictor
            return
        path = folder / str(id(parts))
        await parts.predictor_server.listen(path)
        remote = RemotePredictor(
            clock=perf_counter, pace=Pace(8, 1, perf_counter), counts=dict, lost=lambda: None
        )
        await remote.connect(path)
        yield remote
        remote.close()
        while len(parts.predictor_server):
            await asyncio.sleep(0.001)
        assert parts.predictor_server._server is not None
        parts.predictor_server._server.close()


async def ask(
    predictor: Predictor, tasks: Sequence[str] | None, *images: Pixels, **options: Any
) -> list[Prediction]:
    request = PredictRequest(tasks, len(images), perf_counter() + 30, **options)
    await predictor.check(request, None)
    async with predictor.admit(request) as admission:
        return await admission.answer(images)


def expected(image: Pixels, prompts: Sequence[torch.Tensor]) -> torch.Tensor:
    batch = SMALL.preprocess.batch([image])
    return SMALL.features(batch, prompts, form="tokens")[0]


@pytest.fixture(params=["beside", "over a socket"])
def where(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_features_are_those_that_the_head_reads(where: str, tmp_path: Path) -> None:
    async with predicting(where, tmp_path) as predictor:
        found = await ask(predictor, ["deep", "backbone"], BYTES, FLOATS, output="features")
    assert [(each.task, each.version) for each in found] == [("deep", 1), ("backbone", 0)] * 2
    wanted = [(image, prompts) for image in (BYTES, FLOATS) for prompts in (DEEP.prompts, ())]
    for each, (image, prompts) in zip(found, wanted, strict=True):
        assert each.numbers is not None
        assert (each.field, each.numbers.dtype) == ("feature", np.float32)
        torch.testing.assert_close(
            torch.tensor(each.numbers), expected(image, prompts), atol=1e-5, rtol=1e-5
        )


async def test_floats_get_the_labels_of_the_same_pixels(where: str, tmp_path: Path) -> None:
    same = SMALL.preprocess.batch([BYTES])[0].numpy()
    async with predicting(where, tmp_path) as predictor:
        first, second = await ask(predictor, ["deep"], BYTES, same)
    assert first.numbers is None
    assert dict(second.best) == pytest.approx(dict(first.best), rel=1e-5)


async def test_an_activation_of_ones_own(where: str, tmp_path: Path) -> None:
    async with predicting(where, tmp_path) as predictor:
        by = {
            kind: (await ask(predictor, ["deep"], BYTES, activation=kind))[0]
            for kind in ("softmax", "sigmoid", "none", None)
        }
    logits = torch.tensor([dict(by["none"].best)[label] for label in "abc"])
    assert by[None].best == by["softmax"].best
    for kind, scores in (("softmax", logits.softmax(0)), ("sigmoid", logits.sigmoid())):
        assert by[kind].field == "probability"
        found = torch.tensor([dict(by[kind].best)[label] for label in "abc"])
        torch.testing.assert_close(found, scores)
    assert by["none"].field == "score"


async def test_names_of_the_backbone(where: str, tmp_path: Path) -> None:
    async with predicting(where, tmp_path) as predictor:
        (found,) = await ask(predictor, ["small"], BYTES, output="features")
        assert found.task == "backbone"
        for name in ("small", "backbone"):
            with pytest.raises(UnknownTask, match=name):  # it has no labels
                await ask(predictor, [name], BYTES)
        with pytest.raises(UnknownTask, match="nobody"):
            await ask(predictor, ["nobody"], BYTES, output="features")
    async with predicting(where, tmp_path, task_file(SMALL, "small", layers=1)) as predictor:
        (found,) = await ask(predictor, ["small"], BYTES, output="features")
        assert (found.task, found.version) == ("small", 1)  # a task of that name comes first


async def test_floats_without_a_finite_answer_are_the_clients_fault(
    where: str, tmp_path: Path
) -> None:
    async with predicting(where, tmp_path) as predictor:
        for options in ({}, {"output": "features"}):
            with pytest.raises(BadRequest, match="normalised"):
                await ask(predictor, ["deep"], np.full_like(FLOATS, np.nan), **options)
        assert len(await ask(predictor, ["deep"], FLOATS)) == 1
