"""No route answers whom it should not; the routes are those that the application has."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.service.access.caller import SCOPES
from facet_vision.service.http.deps import Needs, needed_by
from facet_vision.service.http.views import console
from tests.service.support.app import PNG, TASK_FILE, ask, assert_problem, png, task_file, upload
from tests.service.support.forms import FORMS, assert_refused, told
from tests.service.support.keys import Keys

SWAGGER_UI = ("swagger-ui.js", "swagger-ui.css")

PAGE = {"/docs", *(f"/docs/{name}" for name in ("page.js", "page.css", *SWAGGER_UI))}
"""The page that shows the document, which a browser opens before it has a key."""

CONSOLE = console.PATHS - {""}

PROBES = {"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"}

ANY_SCOPE = {
    "GET /openapi.json",
    *("GET /v1/events", "GET /v1/tasks", "GET /v1/tasks/{task}"),
    *("GET /v1/models", "GET /v1/models/{task}"),
    *("GET /v2", "GET /v2/", "GET /v2/models/stats", "POST /v2/repository/index"),
    *("GET /v2/models/{task}", "GET /v2/models/{task}/versions/{version}"),
    *(
        f"GET /v2/models/{{task}}{version}/{what}"
        for version in ("", "/versions/{version}")
        for what in ("ready", "config", "stats")
    ),
}
"""What every key may call, whatever its scopes."""

OF_NO_TASK = {
    *("GET /openapi.json", "GET /v2", "GET /v2/"),
}
"""What concerns no task."""

SEVERAL_TASKS = {
    *("GET /v1/events", "GET /v1/tasks", "POST /v1/predict", "GET /metrics"),
    *("GET /v1/models", "POST /v1/embeddings"),
    *("GET /v2/models/stats", "POST /v2/repository/index"),
    *("GET /v1/trainings", "POST /v1/trainings"),
    *("GET /v1/trainings/{training}", "DELETE /v1/trainings/{training}"),
    *(f"POST /v1/trainings/{{training}}/{what}" for what in ("start", "cancel", "publish")),
    *("GET /v1/trainings/{training}/events", "GET /v1/trainings/{training}/images"),
    "POST /v1/trainings/{training}/images",
    *(
        f"{method} /v1/trainings/{{training}}/images/{{image}}"
        for method in ("GET", "PUT", "DELETE")
    ),
}
"""What concerns tasks that are not in the path; each has a test of its own for other patterns."""


BESIDE_THE_BATCHES = {"/v1/tasks/{task}/explain"}
"""What asks a task about an image without the predictor."""


class Route(NamedTuple):
    method: str
    path: str
    needed: Needs | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def call(self, client: TestClient, headers: dict[str, str], task: str = "pets") -> Any:
        ids = dict.fromkeys(("example", "training", "image"), "0" * 16)
        path = self.path.format(task=task, version=1, sample=0, **ids)
        return client.request(self.method, path, headers=headers, **self._body())

    def _body(self) -> dict[str, Any]:
        if self.path == "/v1/predict":
            return {"files": {"file": ("a.png", png())}, "data": {"tasks": "pets"}}
        if self.method == "PUT":
            return {"content": json.dumps({"version": 1})}
        return {"content": png()} if self.method == "POST" else {}


def routes_of(app: Any) -> Iterator[Route]:
    """Every route but the probes and the pages."""
    assert isinstance(app, FastAPI)
    for route in iter_route_contexts(app.routes):
        assert route.path is not None
        for method in sorted((route.methods or set()) - {"HEAD"}):
            if route.path not in PROBES | PAGE | CONSOLE:
                yield Route(method, route.path, needed_by(route.original_route))


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys.json")


@pytest.fixture
def guarded(serve: Callable[..., TestClient], keys: Keys, small: Backbone) -> TestClient:
    """A server with the task "pets" and keys, all of which are in the file at its start."""
    root = keys.add("root")
    for name in ("revoked", "expired"):
        keys.add(name)
    keys.revoke("revoked")
    keys.expire("expired")
    for scope in SCOPES:
        keys.add(f"not-{scope}", *(each for each in SCOPES if each != scope))
    keys.add("team", tasks=["team-*", "zoo"])
    keys.add("slow", images_per_second=0.2, burst=2)
    client = serve(keys_file=keys.path)
    with_key = {"headers": TASK_FILE | root, "content": task_file(small, "pets").to_bytes()}
    assert client.post("/v1/tasks/pets/versions", **with_key).status_code == 201
    return client


def test_there_is_a_form_for_every_call_of_the_predictor(app: FastAPI) -> None:
    asked = {
        route.path
        for route in routes_of(app)
        if route.method == "POST" and route.needed and route.needed.scope == "infer"
    }
    assert asked - BESIDE_THE_BATCHES == set(FORMS)


def test_no_route_answers_without_a_key_that_holds(guarded: TestClient, keys: Keys) -> None:
    wrong = [
        {},
        {"Authorization": "Bearer facet_000000000000_wrong"},
        {"Authorization": f"Basic {keys.texts['root']}"},
        keys.shown("revoked"),
        keys.shown("expired"),
    ]
    for route in routes_of(guarded.app):
        for headers in wrong:
            answer = route.call(guarded, headers)
            assert_refused(answer, 401, "Authorization: expected 'Bearer'")
            assert answer.headers["www-authenticate"].startswith("Bearer"), str(route)


def test_a_path_without_a_route_tells_no_more(guarded: TestClient, keys: Keys) -> None:
    for path in ("/nowhere", "/docs/nowhere", "/redoc", "/v1/tasks/pets/nowhere", "/v3"):
        assert guarded.get(path).status_code == 401
        assert guarded.get(path, headers=keys.shown("root")).status_code == 404


def test_probes_and_pages_need_none(guarded: TestClient) -> None:
    for path in PROBES | PAGE | CONSOLE:
        expected = 204 if path == console.ICON else 200
        assert guarded.get(path).status_code == expected
        assert guarded.head(path).status_code == expected


def test_no_route_answers_a_key_without_its_scope(guarded: TestClient, keys: Keys) -> None:
    for route in routes_of(guarded.app):
        scope = route.needed.scope if route.needed else None
        if scope is None:
            assert str(route) in ANY_SCOPE, f"{route}: declares no scope"
            continue
        answer = route.call(guarded, keys.shown(f"not-{scope}"))
        assert_refused(answer, 403, repr(scope))
        assert f'scope="{scope}"' in answer.headers["www-authenticate"]


def test_no_route_tells_of_a_task_that_the_key_does_not_cover(
    guarded: TestClient, keys: Keys
) -> None:
    for route in routes_of(guarded.app):
        if "{task}" not in route.path:
            assert str(route) in OF_NO_TASK | SEVERAL_TASKS, f"{route}: is not tested"
            continue
        there, absent = (
            route.call(guarded, keys.shown("team"), task) for task in ("pets", "nothing")
        )
        assert_refused(there, 403, "expected a task that it covers (team-*, zoo)")
        assert told(there) == told(absent), str(route)


def test_every_route_answers_a_key_with_everything(guarded: TestClient, keys: Keys) -> None:
    for route in routes_of(guarded.app):
        answer = route.call(guarded, keys.shown("root"))
        assert answer.status_code not in (401, 403), str(route)


def test_every_route_names_its_scope_in_the_document(guarded: TestClient, keys: Keys) -> None:
    document = guarded.get("/openapi.json", headers=keys.shown("root")).json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for route in routes_of(guarded.app):
        if route.needed and route.path in document["paths"]:
            scopes = [route.needed.scope] if route.needed.scope else []
            shown = document["paths"][route.path][route.method.lower()]["security"]
            assert shown == [{"key": scopes}], str(route)


def test_lists_show_what_the_key_covers(guarded: TestClient, keys: Keys, small: Backbone) -> None:
    for name in ("team-b", "other", "team-a", "zoo", "team-c"):
        guarded.headers.update(keys.shown("root"))
        assert upload(guarded, task_file(small, name)).status_code == 201
    guarded.headers.update(keys.shown("team"))
    names, after = [], ""
    while after is not None:
        page = guarded.get("/v1/tasks", params={"limit": 1, "after": after}).json()
        names += [task["task"] for task in page["tasks"]]
        after = page.get("next")
    assert names == ["team-a", "team-b", "team-c", "zoo"]
    form = {"files": {"file": ("a.png", png())}, "data": {"tasks": "*"}}
    answered = guarded.post("/v1/predict", **form).json()["results"]
    assert [each["task"] for each in answered] == names
    form["data"] = {"tasks": "team-a,other"}
    assert_problem(guarded.post("/v1/predict", **form), 403, "expected a task that it covers")
    form["data"] = {"tasks": "team-a,nothing"}
    assert_problem(guarded.post("/v1/predict", **form), 403, "expected a task that it covers")


def test_embeddings_and_models_are_of_what_the_key_covers(
    guarded: TestClient, keys: Keys, small: Backbone
) -> None:
    guarded.headers.update(keys.shown("root"))
    assert upload(guarded, task_file(small, "zoo")).status_code == 201

    def models() -> list[str]:
        return [each["id"] for each in guarded.get("/v1/models").json()["data"]]

    def embed(name: str) -> Any:
        image = base64.b64encode(png()).decode()
        return guarded.post("/v1/embeddings", json={"model": name, "input": image})

    assert models() == ["backbone", "pets", "zoo"]
    for name in ("backbone", "small", "pets"):
        assert embed(name).status_code == 200
    guarded.headers.update(keys.shown("team"))
    assert models() == ["zoo"]
    assert embed("zoo").status_code == 200
    for name in ("backbone", "small", "pets", "nothing"):
        assert_refused(embed(name), 403, "expected a task that it covers (team-*, zoo)")


def test_metrics_name_every_task_and_need_a_key_that_covers_every_task(
    guarded: TestClient, keys: Keys, serve: Callable[..., TestClient]
) -> None:
    refused = guarded.get("/metrics", headers=keys.shown("team"))
    assert_problem(refused, 403, "covers every task")
    monitor = keys.shown("not-infer")
    assert guarded.get("/metrics", headers=monitor).status_code == 200
    assert guarded.get("/metrics").status_code == 401
    opened = serve(keys_file=keys.path, open_metrics=True)
    assert opened.get("/metrics").status_code == 200
    assert opened.get("/v1/tasks").status_code == 401


def test_the_history_tells_the_name_of_the_key(guarded: TestClient, keys: Keys) -> None:
    shown = guarded.get("/v1/tasks/pets", headers=keys.shown("root")).json()
    assert {event["by"] for event in shown["history"]} == {"root"}
    assert shown["stored"][0]["by"] == "root"


def test_beyond_its_limit_a_key_is_refused_with_the_time_to_come_back(
    guarded: TestClient, keys: Keys
) -> None:
    headers = keys.shown("slow") | PNG
    post = guarded.post
    for _ in range(2):
        assert post("/v1/tasks/pets/predict", content=png(), headers=headers).status_code == 200
    answer = post("/v1/tasks/pets/predict", content=png(), headers=headers)
    assert_problem(answer, 429, "0.2 images per second")
    assert answer.json()["type"] == "urn:facet:problem:too-many-requests"
    assert answer.headers["ratelimit-policy"] == '"images-per-second";q=2;w=10'
    assert answer.headers["ratelimit"].startswith('"images-per-second";r=0;t=')
    assert 1 <= int(answer.headers["retry-after"]) <= 5
    guarded.headers.update(keys.shown("root"))
    assert ask(guarded, "pets").status_code == 200
