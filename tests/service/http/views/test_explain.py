"""Where a task looks: the right numbers, over the right part of the image, beside the batches."""

import io
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from facet_vision import backbone
from facet_vision.backbone import Backbone, decode_image, patch_attention
from facet_vision.prompts_store import TaskFile
from facet_vision.service.predictor import explainer as module
from tests.backbone import families
from tests.backbone.adaptation.reference import draw_parts
from tests.service.support.app import (
    DEPTH,
    PNG,
    SIDE,
    ask,
    assert_problem,
    png,
    small_backbone,
    task_file,
    upload,
)
from tests.service.support.keys import Keys
from tests.service.support.processes import small_server
from tests.service.support.shades import shades, teach

Serve = Callable[..., TestClient]


def explain(client: Any, task: str = "pets", image: bytes | None = None, **query: Any) -> Any:
    """Ask through any httpx-like client."""
    content = png() if image is None else image
    return client.post(f"/v1/tasks/{task}/explain", content=content, headers=PNG, params=query)


def expected(on: Backbone, file: TaskFile, image: bytes, layer: int = -1) -> torch.Tensor:
    pixels = on.preprocess(decode_image(image))[None]
    with torch.inference_mode():
        return patch_attention(on, pixels, on.encode(file.prompts, file.parts), layer=layer)[0]


def total(grid: Sequence[Sequence[float]]) -> float:
    return sum(map(sum, grid))


@pytest.fixture(scope="module")
def fine() -> Backbone:
    """Of 4 x 4 patches and three layers."""
    return backbone.wrap(families.build("plain"), name="fine", device="cpu")


def files(on: Backbone) -> dict[str, TaskFile]:
    deep = task_file(on, "deep", layers=len(on.layer_dims))
    return {
        "deep": deep,
        "shallow": task_file(on, "shallow", layers=1),
        "lora": replace(task_file(on, "lora"), parts=draw_parts(on, ["lora", "bias"], 2, 0)),
        "sum": replace(
            deep,
            manifest=deep.manifest.model_copy(update={"task": "sum"}),
            parts=draw_parts(on, ["ssf", "prefix"], 2, 1),
        ),
        "linear": task_file(on, "linear"),
    }


@pytest.mark.parametrize("layer", [-1, 0, 1])
@pytest.mark.parametrize("name", ["deep", "shallow", "lora", "sum", "linear"])
def test_the_grids_are_the_attention_with_the_task_and_without(
    serve: Serve, fine: Backbone, name: str, layer: int
) -> None:
    file, image = files(fine)[name], png(3, (SIDE, SIDE))
    client = serve(backbone=fine)
    assert upload(client, file).status_code == 201
    answer = explain(client, name, image, layer=layer)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["task"], found["version"]) == (name, 1)
    assert (found["rows"], found["columns"]) == (4, 4)
    assert total(found["adapted"]) == pytest.approx(1, abs=1e-5)
    assert total(found["bare"]) == pytest.approx(1, abs=1e-5)
    adapted, bare = (torch.tensor(found[which]) for which in ("adapted", "bare"))
    torch.testing.assert_close(adapted, expected(fine, file, image, layer))
    torch.testing.assert_close(bare, expected(fine, task_file(fine, "none"), image, layer))
    assert (found["adapted"] == found["bare"]) == (name == "linear")


def test_without_a_layer_it_is_the_last(serve: Serve, fine: Backbone) -> None:
    client = serve(backbone=fine)
    upload(client, files(fine)["deep"])
    assert explain(client, "deep").json() == explain(client, "deep", layer=2).json()
    assert explain(client, "deep").json() != explain(client, "deep", layer=-2).json()


def test_of_an_instant_task_both_grids_are_the_same(client: TestClient) -> None:
    teach(client, "shades", {"dark": shades("dark", 2), "light": shades("light", 2)})
    found = explain(client, "shades").json()
    assert found["adapted"] == found["bare"]


def test_a_packed_bfloat16_backbone_explains_as_well(serve: Serve) -> None:
    for dtype in ("float32", "bfloat16"):
        on = backbone.wrap(families.build("plain"), name="fine", device="cpu", dtype=dtype)
        if on.can_pack:
            on.pack()
        client = serve(backbone=on)
        upload(client, files(on)["sum"])
        found = explain(client, "sum").json()
        exact = backbone.wrap(families.build("plain"), name="fine", device="cpu")
        wanted = expected(exact, files(exact)["sum"], png())
        torch.testing.assert_close(torch.tensor(found["adapted"]), wanted, atol=0.05, rtol=0.2)


def turned(size: tuple[int, int], orientation: int) -> bytes:
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.new("RGB", size).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def test_the_box_is_of_the_upright_image(client: TestClient, small: Backbone) -> None:
    upload(client, task_file(small, "pets", layers=DEPTH))
    share = small.preprocess.crop_pct
    inner, outer = (1 - share) / 2, (1 + share) / 2
    narrow, wide = (1 - share / 2) / 2, (1 + share / 2) / 2
    boxes = {
        png(size=(64, 64)): [inner, inner, outer, outer],
        png(size=(128, 64)): [narrow, inner, wide, outer],
        png(size=(64, 128)): [inner, narrow, outer, wide],
        turned((800, 400), 1): [narrow, inner, wide, outer],
        turned((800, 400), 6): [inner, narrow, outer, wide],
    }
    for image, box in boxes.items():
        assert explain(client, image=image).json()["box"] == pytest.approx(box, abs=0.02)


def test_a_form_with_one_file_is_taken_and_no_other(client: TestClient, small: Backbone) -> None:
    upload(client, task_file(small, "pets", layers=DEPTH))
    path, one = "/v1/tasks/pets/explain", ("file", ("a.png", png()))
    assert client.post(path, files=[one]).json() == explain(client).json()
    assert_problem(client.post(path, files=[one, one]), 400, "image: expected one, found 2")
    assert_problem(client.post(path, data={"a": "b"}), 415, "Content-Type")
    assert_problem(explain(client, image=b"nothing"), 422, "image: expected one of JPEG")


@pytest.mark.parametrize("layer", ["2", "-3", "99999"])
def test_a_layer_that_there_is_not_is_refused(
    client: TestClient, small: Backbone, layer: str
) -> None:
    upload(client, task_file(small, "pets"))
    sentence = "layer: expected one from 0 to 1, or from -2 to -1 counted from the last, found"
    assert_problem(explain(client, layer=layer), 400, f"{sentence} {layer}")


@pytest.mark.parametrize("layer", ["x", "-0", "+1", "01", "1.0", ""])
def test_a_layer_that_is_no_number_is_refused(client: TestClient, layer: str) -> None:
    assert_problem(explain(client, layer=layer), 422, "layer: expected a whole number")


def test_what_is_not_known_is_refused(client: TestClient) -> None:
    assert_problem(explain(client), 404, "expected one of those that GET /v1/tasks lists")
    assert_problem(explain(client, heads=1), 422, "heads: expected one of layer")


@pytest.mark.parametrize("variant", ["siglip", "average-no-class", "swin"])
def test_a_backbone_without_a_class_token_is_refused_before_the_body(
    serve: Serve, variant: str
) -> None:
    on = backbone.wrap(families.build(variant), name=variant, device="cpu")
    client = serve(backbone=on)
    upload(client, task_file(on, "pets"))
    sentence = f"backbone: expected a ViT with a class token, found '{variant}'"
    answer = explain(client, image=b"not an image")
    assert_problem(answer, 422, sentence)
    assert answer.json()["type"] == "urn:facet:problem:unsupported-backbone"


class Held:
    """Holds the explainer's thread; the batches go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = threading.Event()
        self.at_once = self.most = self.done = 0
        self._lock = threading.Lock()
        self._compute = patch_attention
        monkeypatch.setattr(module, "patch_attention", self)

    def __call__(self, *given: Any, **named: Any) -> torch.Tensor:
        with self._lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        assert self.go_on.wait(30)
        with self._lock:
            self.at_once -= 1
            self.done += 1
        return self._compute(*given, **named)


def test_eight_wait_and_the_next_is_refused_while_batches_go_on(
    client: TestClient, small: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(client, task_file(small, "pets", layers=DEPTH))
    held, count = Held(monkeypatch), module.MAX_WAITING + 1
    explainer = client.app.state.components.explainer  # type: ignore[attr-defined]
    with ThreadPoolExecutor(count) as pool:
        waiting = [pool.submit(explain, client) for _ in range(count)]
        while explainer._asked < count:
            threading.Event().wait(0.005)
        refused = explain(client, image=b"is not read")
        assert_problem(refused, 429, "expected at most 8 images that wait to be explained")
        assert int(refused.headers["retry-after"]) >= 1
        assert ask(client, "pets").status_code == 200
        held.go_on.set()
        assert [each.result().status_code for each in waiting] == [200] * count
    assert held.most == 1
    assert explain(client).status_code == 200


def test_a_client_that_does_not_wait_leaves_its_place(
    serve: Serve, small: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(deadline_seconds=0.2)
    upload(client, task_file(small, "pets"))
    held = Held(monkeypatch)
    assert_problem(explain(client), 504, "deadline")
    assert client.app.state.components.explainer._asked == 0  # type: ignore[attr-defined]
    held.go_on.set()


def test_a_draining_server_explains_nothing(client: TestClient, small: Backbone) -> None:
    upload(client, task_file(small, "pets"))
    client.app.state.components.drain()  # type: ignore[attr-defined]
    assert_problem(explain(client), 503, "found it shutting down")


def test_an_image_counts_against_the_limits_of_the_key(
    serve: Serve, small: Backbone, tmp_path: Path
) -> None:
    keys = Keys(tmp_path / "keys.json")
    root, slow = keys.add("root"), keys.add("slow", images_per_second=0.01, burst=2)
    client = serve(keys_file=keys.path)
    client.headers.update(root)
    upload(client, task_file(small, "pets"))
    client.headers.update(slow)
    assert explain(client).status_code == 200
    assert ask(client, "pets").status_code == 200
    assert_problem(explain(client, image=b"is not read"), 429, "images per second")
    assert_problem(ask(client, "pets"), 429, "images per second")


def test_http_workers_pass_it_on(tmp_path: Path) -> None:
    file = task_file(small_backbone(), "pets", layers=DEPTH)
    with small_server(tmp_path, http_workers=2) as server, server.client() as client:
        assert upload(client, file).status_code == 201
        found = explain(client).json()
    torch.testing.assert_close(
        torch.tensor(found["adapted"]),
        expected(small_backbone(), file, png()),
        rtol=1e-3,
        atol=1e-5,
    )
