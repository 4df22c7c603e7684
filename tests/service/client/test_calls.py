"""Every call of the client and of its asynchronous form, against a live server."""

import inspect
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Store, open_store
from facet_vision.service.client import answers
from facet_vision.service.client.async_client import AsyncClient
from facet_vision.service.client.client import Client
from facet_vision.service.client.errors import ClientError
from facet_vision.service.client.exchange import Retries
from facet_vision.service.http import schemas
from facet_vision.service.http.app import create_app
from facet_vision.service.settings import Settings
from tests.service.support.app import DEPTH, numbered, png, task_file
from tests.service.support.clients import Make, Waits
from tests.service.support.keys import Keys
from tests.service.support.residency import WatchedObjects, fill, many

QUEUE = 8


@pytest.fixture
def app(small: Backbone) -> FastAPI:
    """A server that takes three images at once."""
    settings = Settings(max_images=3, queue_limit=QUEUE)
    return create_app(settings, store=open_store("memory:"), backbone=small)


@pytest.fixture
def pets(url: str, small: Backbone) -> str:
    """A server with two tasks, whose answers depend on the image and not."""
    with Client(url) as client:
        client.publish("pets", task_file(small, "pets", layers=DEPTH).to_bytes())
        client.publish("dogs", task_file(small, "dogs", bias=[0.0, 2.0]).to_bytes())
    return url


def test_the_life_of_a_task(url: str, make: Make, small: Backbone, tmp_path: Path) -> None:
    first, second = (numbered(small, "counter", number) for number in (1, 2))
    (tmp_path / "second").write_bytes(second)
    client = make(url + "/")
    made = client.publish("counter", first)
    assert (made.version, made.live, made.size) == (1, True, len(first))
    assert client.publish("counter", first) == made, "the same bytes are the same version"
    assert not client.publish("counter", tmp_path / "second", activate=False).live
    assert client.live_version("counter") == 1
    assert client.activate("counter", 2).version == 2
    assert client.rollback("counter").version == 1
    assert client.download("counter", 2) == second
    client.delete("counter", 2)
    shown = client.task("counter")
    assert [version.number for version in shown.stored] == [1]
    assert [event.event for event in shown.history][:2] == ["publish", "activate"]
    client.retire("counter")
    assert [(task.task, task.state) for task in client.tasks().tasks] == [("counter", "retired")]
    with pytest.raises(ClientError, match="expected a live version, found it retired"):
        client.live_version("counter")


def test_answers_are_the_documents_of_the_server(pets: str, make: Make) -> None:
    client = make(pets)
    for path, answer in (
        ("/v1/tasks", client.tasks()),
        ("/v1/tasks/pets", client.task("pets")),
    ):
        assert answer.document() == httpx.get(pets + path).json()
    assert client.tasks(per_request=1).document() == client.tasks().document()


def test_images_of_every_form_in_requests_of_any_size(
    pets: str, make: Make, tmp_path: Path
) -> None:
    """Also of more images than the server takes, which is only found out."""
    client = make(pets)
    path = tmp_path / "path.png"
    path.write_bytes(png(0))
    images = [path, *((f"{seed}.png", png(seed)) for seed in range(1, 8)), png(8)]
    single = [client.predict("pets", image)[0] for image in images]
    assert [one.image for one in single] == [0] * 9
    files = ["path.png", *(f"{seed}.png" for seed in range(1, 8)), None]
    for options in ({}, {"max_images": 2}, {"max_bytes": 1}, {"max_images": 3, "priority": "low"}):
        found = client.predict("pets", iter(images), **options)
        assert [(one.image, one.file) for one in found] == list(enumerate(files))
        for one, alone in zip(found, single, strict=True):
            assert one.best.label == alone.best.label
            assert one.best.value == pytest.approx(alone.best.value, abs=1e-5)
    assert len({one.best.value for one in single}) > 1
    assert client.predict("pets", []) == []


def test_several_tasks_at_once(pets: str, make: Make) -> None:
    client = make(pets)
    images = [png(seed) for seed in range(5)]
    alone = client.predict("pets", images, top_k=1)
    for tasks in (["pets", "dogs"], ("dogs", "pets"), "*"):
        found = client.predict(tasks, images, top_k=1)
        assert sorted((one.image, one.task) for one in found) == [
            (image, task) for image in range(5) for task in ("dogs", "pets")
        ]
        labels = [one.best.label for one in found if one.task == "pets"]
        assert labels == [one.best.label for one in alone]
        assert {one.best.label for one in found if one.task == "dogs"} == {"dog"}
    assert [one.task for one in client.predict(["pets"], images[0])] == ["pets"]


def test_embeddings(pets: str, make: Make) -> None:
    client = make(pets)
    images = [png(seed) for seed in range(5)]
    found = client.embed("pets", [(f"{seed}", image) for seed, image in enumerate(images)])
    assert [(one.image, one.file) for one in found] == [(n, str(n)) for n in range(5)]
    assert {(one.model, one.version) for one in found} == {("pets", 1)}
    for image, one in zip(images, found, strict=True):
        [alone] = client.embed("pets", image)
        assert one.vector == pytest.approx(alone.vector, abs=1e-4)
    assert found[0].vector != pytest.approx(found[1].vector, abs=1e-3)
    [bare] = client.embed("backbone", images[0], dimensions=4)
    assert (bare.version, len(bare.vector)) == (0, 4)
    assert sum(number**2 for number in bare.vector) == pytest.approx(1, abs=1e-5)


def test_errors_tell_status_reason_and_request(pets: str, make: Make) -> None:
    client = make(pets)
    for call in (
        lambda: client.predict("nobody", png()),
        lambda: client.predict(["pets", "nobody"], png()),
        lambda: client.embed("nobody", png()),
        lambda: client.task("nobody"),
        lambda: client.retire("nobody"),
    ):
        with pytest.raises(ClientError, match="nobody") as refused:
            call()
        assert (refused.value.status, refused.value.reason) == (404, "unknown-task")
        assert len(refused.value.request_id or "") >= 16
    with pytest.raises(ClientError) as refused:
        client.predict("pets", [png(), b"no image"])
    assert (refused.value.status, refused.value.reason) == (422, "bad-image")


def test_a_full_server_is_asked_again(pets: str, app: FastAPI, make: Make, waits: Waits) -> None:
    client = make(pets)
    with ExitStack() as busy:
        busy.enter_context(app.state.components.batcher.admit(["cars"], QUEUE))
        waits.then = busy.close
        [answer] = client.predict("dogs", png())
    assert answer.best.label == "dog"
    [wait] = waits
    assert 1 <= wait < 10


def test_the_key_comes_from_the_environment(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str | None] = []

    def note(request: httpx.Request) -> httpx.Response:
        shown.append(request.headers.get("authorization"))
        return httpx.Response(200, json={"backbone": "b", "fingerprint": "f", "tasks": []})

    monkeypatch.setenv("FACET_KEY", "facet_of_variable")
    for given in ({}, {"key": "facet_of_argument"}, {"key": ""}):
        make("http://server", transport=httpx.MockTransport(note), **given).tasks()
    assert shown == ["Bearer facet_of_variable", "Bearer facet_of_argument", None]


class TestWithKeys:
    @pytest.fixture
    def keys(self, tmp_path: Path) -> Keys:
        return Keys(tmp_path / "keys.json")

    @pytest.fixture
    def app(self, keys: Keys, small: Backbone) -> FastAPI:
        keys.add("reader", "infer")
        settings = Settings(keys_file=keys.path)
        return create_app(settings, store=open_store("memory:"), backbone=small)

    def test_a_key_opens_what_it_covers(self, url: str, keys: Keys, make: Make) -> None:
        with pytest.raises(ClientError) as refused:
            make(url).tasks()
        assert (refused.value.status, refused.value.reason) == (401, "unauthorized")
        client = make(url, key=keys.texts["reader"])
        assert client.tasks().tasks == ()
        with pytest.raises(ClientError, match="publish") as refused:
            client.publish("pets", b"file")
        assert (refused.value.status, refused.value.reason) == (403, "forbidden")


class TestWithAFaultyStore:
    @pytest.fixture
    def app(self, objects: WatchedObjects, small: Backbone) -> FastAPI:
        fill(objects, many(small, 2))
        return create_app(Settings(), store=Store(objects), backbone=small)

    def test_only_what_may_pass_is_waited_for(
        self, url: str, objects: WatchedObjects, make: Make, waits: Waits
    ) -> None:
        objects.damage = lambda path, data: data[:-1] if "/versions/" in path else data
        client = make(url)
        with pytest.raises(ClientError, match="sha256") as refused:
            client.predict("task-00", png())
        assert (refused.value.status, refused.value.reason) == (503, "task-unavailable")
        assert (refused.value.retry_after, waits) == (None, [])
        objects.is_down = True
        with pytest.raises(ClientError, match="connection cut") as refused:
            client.predict("task-01", png())
        assert (refused.value.retry_after, len(waits)) == (1, Retries().times)


def test_arguments_are_checked(url: str, make: Make) -> None:
    client = make(url)
    for given, named, words in (
        (("pets", [1]), {}, "images: expected bytes, a name with bytes, or a path, found int"),
        (("pets", png()), {"max_images": 0}, "max_images: expected at least 1, found 0"),
        (("pets", png()), {"max_bytes": 0}, "max_bytes: expected at least 1, found 0"),
        (([], png()), {}, "task: expected at least one name"),
    ):
        with pytest.raises(ClientError, match=words):
            client.predict(*given, **named)
    with pytest.raises(FileNotFoundError):
        client.predict("pets", Path("nothing.png"))


def test_both_clients_have_the_same_calls() -> None:
    def public(kind: type) -> dict[str, str]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: str(inspect.signature(each)) for name, each in found if not name.startswith("_")
        }

    assert public(Client) == public(AsyncClient)
    assert all(
        (getattr(AsyncClient, name).__doc__ == getattr(Client, name).__doc__)
        and inspect.iscoroutinefunction(getattr(AsyncClient, name))
        for name in public(Client)
    )


def test_answers_have_the_fields_of_the_servers_documents() -> None:
    for name in (
        *("RankedLabel", "Timings", "PredictResult", "PredictResponse", "Published", "Live"),
        *("TaskSummary", "TaskList", "TaskDetail", "VersionRecord", "EventRecord"),
    ):
        ours, theirs = getattr(answers, name), getattr(schemas, name)
        assert list(ours.model_fields) == list(theirs.model_fields), name


def test_a_field_of_a_newer_server_is_kept_and_answers_are_frozen() -> None:
    sent = {"task": "pets", "version": 1, "colour": "red"}
    live = answers.Live.model_validate(sent)
    assert live.document() == sent
    with pytest.raises(ValueError, match="frozen"):
        live.version = 2


def test_clients_need_no_torch() -> None:
    code = (
        "import sys, facet_vision as f; f.Client, f.AsyncClient, f.PredictResult;"
        "print({'torch', 'timm', 'fastapi', 'numpy', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
