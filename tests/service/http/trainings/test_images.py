"""Images of trainings: what is kept, what is refused, and what a browser makes of them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from facet_vision.prompts_store import Store, StoreFull, open_store
from facet_vision.prompts_store.keys import TRAININGS
from tests.service.support.app import assert_problem, png
from tests.service.support.residency import WatchedObjects
from tests.service.support.trainings import picture, send

Serve = Callable[..., TestClient]

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "../../../etc/passwd",
    "C:\\nul.png",
    "x\u202egnp.exe",
    "a" * 300 + ".png",
]


def begun(client: TestClient) -> str:
    id: str = client.post("/v1/trainings", json={"task": "t"}).json()["id"]
    return id


def post(client: TestClient, id: str, files: list[Any], *labels: str) -> Any:
    given = {"files": [("file", file) for file in files], "data": {"label": list(labels)}}
    return client.post(f"/v1/trainings/{id}/images", **given)


@pytest.mark.parametrize("place", ["folder", "memory"])
def test_they_are_kept_as_sent_and_go_when_asked(serve: Serve, tmp_path: Path, place: str) -> None:
    store = open_store(tmp_path if place == "folder" else "memory:")
    client = serve(store=store, builtin=False)
    id = begun(client)
    (image,) = post(client, id, [("a.png", picture("red", 1))], "red").json()["images"]
    path = f"/v1/trainings/{id}/images/{image['id']}"
    assert client.get(path).content == picture("red", 1)
    assert client.delete(path).status_code == 204
    assert_problem(client.get(path), 404, "expected one of training")
    assert_problem(client.delete(path), 404, "expected one of training")
    assert_problem(client.put(path, json={"label": "x"}), 404, "expected one of training")
    assert store.tree(TRAININGS).names(f"{id}/images") == []
    assert client.get("/v1/tasks").json()["tasks"] == []


def test_the_same_file_counts_once(serve: Serve) -> None:
    client = serve()
    id = begun(client)
    send(client, id, {"red": 2})
    moved = post(client, id, [("other.png", picture("red", 0))], "crimson").json()["images"]
    shown = client.get(f"/v1/trainings/{id}/images").json()["images"]
    assert [each["label"] for each in shown] == ["crimson", "red"]
    assert moved == shown[:1]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_and_labels_are_told_again_and_no_more(
    serve: Serve, tmp_path: Path, name: str
) -> None:
    client = serve(store=open_store(tmp_path))
    id = begun(client)
    label = name[:100]
    answer = post(client, id, [(name, png())], "x")
    assert answer.headers["content-type"] == "application/json"
    (image,) = answer.json()["images"]
    path = f"/v1/trainings/{id}/images/{image['id']}"
    changed = client.put(path, json={"label": label})
    if label.isprintable():
        assert changed.json()["label"] == label
    else:
        assert_problem(changed, 422, "printable characters")
    shown = client.get(path)
    assert shown.headers["content-type"] == "image/png"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert shown.headers["content-disposition"] == f'attachment; filename="{image["id"]}"'
    names = {path.name for path in tmp_path.rglob("*")}
    assert not any("etc" in each or "script" in each or "nul" in each for each in names)


def test_a_format_that_no_browser_shows_is_bytes(serve: Serve) -> None:
    client = serve()
    id = begun(client)
    (image,) = post(client, id, [("a.bmp", picture("red", 1, "BMP"))], "x").json()["images"]
    shown = client.get(f"/v1/trainings/{id}/images/{image['id']}")
    assert shown.headers["content-type"] == "application/octet-stream"


def test_of_a_form_with_rubbish_nothing_is_added(serve: Serve, tmp_path: Path) -> None:
    store = open_store(tmp_path)
    client = serve(store=store)
    id = begun(client)
    sound = ("a.png", picture("red", 1))
    rubbish = [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "found 41 bytes of something else"),
        (picture("red", 2)[:60], "damaged data"),
    ]
    for data, sentence in rubbish:
        refused = post(client, id, [sound, ("b.png", data)], "x")
        assert_problem(refused, 422, sentence)
        same = client.post("/v1/tasks/t/examples", files=[("file", data)], data={"label": "x"})
        assert same.json()["detail"] == refused.json()["detail"].removeprefix("file 1, ")
    assert_problem(post(client, id, [sound]), 400, "expected one 'label'")
    assert_problem(post(client, id, [sound], "a", "b"), 400, "expected one 'label'")
    for label in ("", "  ", "x" * 201, "a\x00b", "two\nlines"):
        assert_problem(post(client, id, [sound], label), 422, "printable characters")
    assert client.get(f"/v1/trainings/{id}").json()["labels"] == []
    assert "images" not in store.tree(TRAININGS).names(id)


def test_limits_of_a_training(serve: Serve) -> None:
    client = serve(max_training_images=3, max_image_bytes=2000)
    id = begun(client)
    assert send(client, id, {"red": 3}).status_code == 200
    assert send(client, id, {"red": 3}).status_code == 200  # the same ones
    assert_problem(send(client, id, {"blue": 1}), 409, "at most 3 images, found 4")
    large = post(client, id, [("a.png", b"x" * 2001)], "red")
    assert_problem(large, 413, "at most 2000 bytes")


def test_a_store_that_fails_keeps_what_was_acknowledged(serve: Serve) -> None:
    objects = WatchedObjects()
    client = serve(store=Store(objects))
    id = begun(client)
    send(client, id, {"red": 2})
    create = objects.create
    objects.create = _full  # type: ignore[method-assign]
    assert_problem(send(client, id, {"blue": 2}), 507, "no room")
    objects.create = create  # type: ignore[method-assign]
    assert len(client.get(f"/v1/trainings/{id}/images").json()["images"]) == 2


def _full(path: str, _data: bytes, **_options: bool) -> None:
    raise StoreFull(f"storage of '{path}': expected room, found no room")


def test_many_at_once(serve: Serve) -> None:
    client = serve()
    id = begun(client)

    def one(number: int) -> int:
        image = ("a.png", picture("red", number % 20))
        return post(client, id, [image], f"label {number % 3}").status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(40))) == {200}
    assert len(client.get(f"/v1/trainings/{id}/images").json()["images"]) == 20
