"""Instant tasks over HTTP: they begin, grow and forget, and each change is a version."""

import hashlib
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone, load
from facet_vision.prompts_store import TaskFile, open_store
from facet_vision.prompts_store.instant import collection
from facet_vision.prompts_store.instant.facts import INSTANT_KINDS
from tests.service.support.app import ask, assert_problem, png, task_file, upload
from tests.service.support.keys import Keys
from tests.service.support.shades import best, shade, shades, teach

BOTH = {"dark": shades("dark", 4), "light": shades("light", 3)}


def counts(answer: Any) -> dict[str, int]:
    return {each["label"]: each["count"] for each in answer.json()["labels"]}


def ids(images: list[bytes]) -> list[str]:
    return [hashlib.sha256(image).hexdigest()[:16] for image in images]


@pytest.mark.parametrize("method", INSTANT_KINDS)
def test_a_task_begins_grows_and_forgets(
    serve: Callable[..., TestClient], tmp_path: Path, method: str
) -> None:
    client = serve(store=open_store(tmp_path))
    made = teach(client, "shades", BOTH, method=method)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == "/v1/tasks/shades/versions/1"
    assert counts(made) == {"dark": 4, "light": 3}
    assert made.json()["examples"] == ids([*BOTH["dark"], *BOTH["light"]])
    assert (made.json()["version"], made.json()["method"]) == (1, method)
    answer = best(client, "shades", shade("light", 50))
    assert (answer["label"], answer["version"]) == ("light", 1)
    assert 0.5 < answer["probability"] < 0.99

    # a label by its images; only the new version knows it
    assert best(client, "shades", shade("red", 50))["label"] != "red"
    more = teach(client, "shades", {"red": shades("red", 4)})
    assert (more.status_code, more.json()["version"]) == (201, 2)
    assert counts(more) == {"dark": 4, "light": 3, "red": 4}
    assert best(client, "shades", shade("red", 50))["label"] == "red"
    assert best(client, "shades", shade("dark", 50))["label"] == "dark"

    # forget an example, then a label
    (example,) = ids([shade("red", 0)])
    less = client.delete(f"/v1/tasks/shades/examples/{example}")
    assert (less.json()["version"], less.json()["examples"]) == (3, [example])
    assert counts(less) == {"dark": 4, "light": 3, "red": 3}
    less = client.delete("/v1/tasks/shades/examples", params={"label": "dark"})
    assert less.json()["examples"] == ids(BOTH["dark"])
    assert counts(less) == {"light": 3, "red": 3}
    assert best(client, "shades", shade("dark", 50))["label"] != "dark"

    # another server finds it in the store; rolling back brings the label back
    again = serve(store=open_store(tmp_path))
    assert best(again, "shades", shade("red", 51)) | {"probability": 0} == {
        "label": "red",
        "probability": 0,
        "version": 4,
    }
    shown = again.get("/v1/tasks/shades/examples").json()
    assert (shown["version"], shown["method"]) == (4, method)
    assert shown["labels"] == [
        {"label": "light", "count": 3, "examples": ids(BOTH["light"])},
        {"label": "red", "count": 3, "examples": ids(shades("red", 3, 1))},
    ]
    again.put("/v1/tasks/shades/live", json={"version": 2})
    assert best(again, "shades", shade("dark", 50))["label"] == "dark"
    grown = teach(again, "shades", {"red": shades("red", 1, 80)})
    assert (grown.json()["version"], counts(grown)) == (5, {"dark": 4, "light": 3, "red": 5})


def test_one_label_for_all_files(client: TestClient) -> None:
    files = [("file", ("a.png", image)) for image in shades("dark", 2)]
    made = client.post("/v1/tasks/t/examples", files=files, data={"label": "dark"})
    assert counts(made) == {"dark": 2}
    assert made.json()["method"] == "lda"
    assert best(client, "t", shade("light", 1))["probability"] == 1.0


def test_the_same_images_again_are_no_version(client: TestClient) -> None:
    first = teach(client, "t", BOTH)
    again = teach(client, "t", BOTH)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]


def test_an_image_moves_to_another_label(client: TestClient) -> None:
    teach(client, "t", BOTH)
    moved = teach(client, "t", {"light": BOTH["dark"][:1]})
    assert counts(moved) == {"dark": 3, "light": 4}


def test_what_a_list_says(client: TestClient) -> None:
    teach(client, "t", BOTH, method="ncm")
    (listed,) = client.get("/v1/tasks").json()["tasks"]
    assert (listed["method"], listed["labels"]) == ("ncm", ["dark", "light"])
    assert listed["metrics"]["leave_one_out_accuracy"] == 1.0
    shown = client.get("/v1/tasks/t").json()
    assert shown["manifest"]["examples"]["counts"] == [4, 3]
    assert [event["event"] for event in shown["history"]] == ["publish", "activate"]


def test_a_downloaded_version_can_be_uploaded(client: TestClient) -> None:
    teach(client, "t", BOTH)
    data = client.get("/v1/tasks/t/versions/1").content
    assert TaskFile.from_bytes(data).manifest.labels == ("dark", "light")
    assert client.delete("/v1/tasks/t").status_code == 204
    assert upload(client, data).status_code == 200
    assert best(client, "t", shade("light", 50))["label"] == "light"


def test_a_retired_task_begins_anew(client: TestClient) -> None:
    teach(client, "t", BOTH)
    client.delete("/v1/tasks/t")
    assert_problem(client.get("/v1/tasks/t/examples"), 404, "expected a live task, found none")
    made = teach(client, "t", {"red": shades("red", 2)}, method="knn")
    assert (made.json()["version"], made.json()["method"]) == (2, "knn")
    assert counts(made) == {"red": 2}


def test_examples_are_of_instant_tasks(client: TestClient, small: Backbone) -> None:
    upload(client, task_file(small, "pets"))
    words = "task 'pets': expected a live version that is made of examples"
    for answer in (
        teach(client, "pets", BOTH),
        client.get("/v1/tasks/pets/examples"),
        client.delete("/v1/tasks/pets/examples/0123456789abcdef"),
        client.delete("/v1/tasks/pets/examples", params={"label": "cat"}),
    ):
        assert_problem(answer, 409, words, "found one of method linear")
        assert answer.json()["type"] == "urn:facet:problem:not-instant"
    assert client.get("/v1/tasks/pets").json()["versions"] == 1


def test_another_method_makes_another_head_of_the_same_examples(
    client: TestClient, small: Backbone
) -> None:
    path, files = "/v1/tasks/t/examples", BOTH | {"red": shades("red", 5)}
    assert_problem(client.patch(path, params={"method": "ncm"}), 404, "expected a live task")
    made = teach(client, "t", files, method="ncm")
    for version, method in enumerate(("knn", "lda", "ncm"), start=2):
        changed = client.patch(path, params={"method": method})
        assert changed.status_code == 200, changed.text
        assert (changed.json()["version"], changed.json()["method"]) == (version, method)
        assert changed.json()["labels"] == made.json()["labels"]
        assert client.get("/v1/tasks/t").json()["manifest"]["head"] == method
        assert best(client, "t", shade("red", 50))["label"] == "red"
    again = client.patch(path, params={"method": "ncm"})
    assert (again.status_code, again.json()["version"]) == (200, 4)
    assert_problem(client.patch(path), 422, "method")
    assert_problem(client.patch(path, params={"method": "svm"}), 422, "method")
    upload(client, task_file(small, "pets"))
    pets = client.patch("/v1/tasks/pets/examples", params={"method": "ncm"})
    assert_problem(pets, 409, "expected a live version that is made of examples")


@pytest.mark.parametrize("method", INSTANT_KINDS)
def test_enough_examples_know_what_is_none_of_theirs(client: TestClient, method: str) -> None:
    known = {label: shades(label, 10) for label in ("dark", "light")}
    teach(client, "t", known, method=method)
    stated = client.get("/v1/tasks/t").json()["manifest"]["threshold"]
    assert (stated["source"], stated["images"]) == ("leave-one-out", 20)

    def label(image: bytes) -> Any:
        answer = ask(client, "t", image, abstain="true")
        assert answer.status_code == 200, answer.text
        result = answer.json()["results"][0]
        assert (result["distance"] <= result["threshold"]) == (result["label"] is not None)
        return result["label"]

    assert label(shades("dark", 1)[0]) == "dark"
    assert [label(image) for image in shades("red", 3, 50)] == [None] * 3
    for example in client.get("/v1/tasks/t/examples").json()["labels"][0]["examples"][:2]:
        client.delete(f"/v1/tasks/t/examples/{example}")
    assert_problem(ask(client, "t", shade("dark", 1), abstain="true"), 409, "states none")


def test_what_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/v1/tasks/t/examples"
    assert_problem(client.get(path), 404, "expected a live task")
    assert_problem(client.delete(path, params={"label": "dark"}), 404, "expected a live task")
    teach(client, "t", BOTH)
    one = {"file": ("a.png", png())}
    for answer, status, words in (
        (teach(client, "t", BOTH, method="knn"), 409, "expected lda, as the task has, found knn"),
        (teach(client, "t", BOTH, method="svm"), 422, "method"),
        (teach(client, "t", BOTH, colour="red"), 422, "colour"),
        (teach(client, "t", {"da\nrk": [png()]}), 422, "label: expected 1 to 200 printable"),
        (teach(client, "t", {"dark": [png(), b"x"]}), 422, "file 1"),
        (teach(client, "t", {"a": [png()], "b": [png()]}), 400, "found file 1 under 'a' and 'b'"),
        (client.post(path, files=one), 400, "expected one 'label' for all files or 1"),
        (client.post(path, files=one, data={"label": ["a", "b"]}), 400, "found 2"),
        (client.post(path, files=one, data={"label": "a", "x": "b"}), 400, "found a text part 'x'"),
        (client.post(path, content=png(), headers={"Content-Type": "image/png"}), 415, "multipart"),
        (client.delete(path), 422, "label"),
        (client.delete(path, params={"label": "eel"}), 404, "found 'eel'"),
        (client.delete(f"{path}/0123456789abcdef"), 404, "found '0123456789abcdef'"),
        (client.delete(f"{path}/xyz"), 422, "example"),
        (teach(client, "stats", BOTH), 422, "reserved"),
    ):
        assert_problem(answer, status, words)
    monkeypatch.setattr(collection, "MAX_EXAMPLES", 8)
    full = teach(client, "t", {"red": shades("red", 2)})
    assert_problem(full, 409, "examples: expected at most 8 of a task, found 9")
    client.delete(path, params={"label": "dark"})
    last = client.delete(path, params={"label": "light"})
    assert_problem(last, 409, "retire the task instead")
    assert client.get(path).json()["version"] == 2


def test_limits_are_those_of_predict_calls(serve: Callable[..., TestClient]) -> None:
    client = serve(max_images=2, max_image_bytes=3000, max_image_pixels=2000)
    many = teach(client, "t", BOTH)
    assert_problem(many, 400, "at most 2 files")
    large = teach(client, "t", {"a": [png(size=(40, 40))]})
    assert_problem(large, 413, "expected at most 3000 bytes")
    buffer = io.BytesIO()
    Image.new("RGB", (60, 60)).save(buffer, "PNG")
    wide = teach(client, "t", {"a": [buffer.getvalue()]})
    assert_problem(wide, 422, "pixels")


def test_a_key_that_publishes_teaches_its_tasks(
    serve: Callable[..., TestClient], tmp_path: Path
) -> None:
    keys = Keys(tmp_path / "keys.json")
    publisher = keys.add("ci", "publish", tasks=["team-*"], images_per_second=0.1, burst=8)
    asker = keys.add("app", "infer")
    client = serve(keys_file=keys.path)
    client.headers.update(publisher)
    made = teach(client, "team-a", BOTH)
    assert made.status_code == 201
    assert_problem(teach(client, "other", BOTH), 403, "expected a task that it covers")
    assert_problem(teach(client, "team-a", {"red": shades("red", 2)}), 429, "images per second")
    shown = client.get("/v1/tasks/team-a").json()
    assert {event["by"] for event in shown["history"]} == {"ci"}
    client.headers.update(asker)
    assert best(client, "team-a", shade("dark", 9))["label"] == "dark"
    assert_problem(teach(client, "team-a", BOTH), 403, "'publish'")


def test_a_call_takes_less_than_a_second_on_the_embedded_backbone(
    serve: Callable[..., TestClient],
) -> None:
    """Of the processor, client and server together."""
    client = serve(backbone=load("facet-tiny", device="cpu"))
    teach(client, "t", {"dark": shades("dark", 5), "light": shades("light", 5)})
    begun = time.process_time()
    made = teach(client, "t", {"red": shades("red", 10)})
    assert time.process_time() - begun < 1
    assert counts(made) == {"dark": 5, "light": 5, "red": 10}
    assert best(client, "t", shade("red", 50))["label"] == "red"
