"""Requests that schemathesis makes of the OpenAPI document, with its checks of the answers."""

from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.engine import events, from_schema

from tests.fuzz.watch import Watch, steady
from tests.service.support.app import ask, png, small_backbone, task_file, upload
from tests.service.support.keys import Keys
from tests.service.support.processes import Server, small_server

WHOLE = 10_000

NAMES = ("pets", "dogs", "digits")
"""Tasks of the server."""

EXCUSED = ("bad-image", "bad-task-file", "unfit-task", "invalid-example")
"""Problems of what fits the document, which cannot say what an image, a task file or a printable
label is."""

ONE_TO_ONE = ("form: expected one 'label'", "form: expected each image under one label")
"""How refusals of examples begin that no schema can foretell: labels must fit the files."""

ENDLESS = "/trainings/.*/events"
"""Paths whose answers have no end."""

BEYOND_A_SCHEMA = (
    *("input", "output", "parameters", "body: expected", "Inference-Header-Content-Length"),
    "failed to load",
)
"""How refusals by the Open Inference Protocol begin that no schema can foretell: a tensor's data
must fit its shape, the header the body, and a configuration the version that comes with it."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    keys = Keys(tmp_path_factory.mktemp("keys") / "keys.json")
    bearer = keys.add("root")
    with small_server(tmp_path_factory.mktemp("store"), keys_file=keys.path) as server:
        server.client = partial(server.client, headers=bearer)  # type: ignore[method-assign]
        with server.client() as client:
            for name in NAMES:
                assert upload(client, task_file(small_backbone(), name)).status_code == 201
        yield server
        revive(server)


def test_every_answer_to_generated_requests_is_as_documented(server: Server) -> None:
    watch = Watch()
    ask_generated(server, watch, seed=1, examples=5)
    watch.settle()
    assert watch.statuses.total() > 300
    assert {200, 204, 400, 404, 405, 415, 422} <= set(watch.statuses)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_10_000_generated_requests_leave_the_memory_as_it_was(server: Server) -> None:
    watch = Watch()
    ask_generated(server, watch, seed=2, examples=100)
    warm_up = watch.statuses.total()
    with steady(server, watch):
        for seed in count(3):
            ask_generated(server, watch, seed=seed, examples=200)
            if watch.statuses.total() >= warm_up + WHOLE:
                break


def ask_generated(server: Server, watch: Watch, *, seed: int, examples: int) -> None:
    """Run all phases of schemathesis: examples, coverage, fuzzing, sequences of calls."""
    schema = schema_of(server, seed, examples)
    revive(server)
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            note_all(watch, event.recorder, f"seed {seed}")
        elif isinstance(event, events.NonFatalError | events.FatalError):
            raise AssertionError(f"schemathesis failed: {event}")


def revive(server: Server) -> None:
    """Upload `pets`, which a sequence of calls may have retired or deleted, and ask it."""
    with server.client() as client:
        assert upload(client, task_file(small_backbone(), "pets")).status_code in (200, 201)
        assert ask(client, "pets").status_code == 200


def note_all(watch: Watch, recorder: Any, what: str) -> None:
    for interaction in recorder.interactions.values():
        assert interaction.response is not None, f"no answer to {interaction.request.uri}"
        response, request = interaction.response, interaction.request
        watch.note(
            response.status_code, response.content, f"{what}, {request.method} {request.uri}"
        )
    for case, check in ((case, each) for case, found in recorder.checks.items() for each in found):
        if check.failure_info is not None:
            failure, sample = check.failure_info.failure, check.failure_info.code_sample
            response = recorder.interactions[case].response
            told = f"{check.name} after {response.status_code}: {failure.message[:300]}"
            answered = response.content[:300]
            watch.faults.append(f"{what}, {told}\n  {sample[:400]}\n  {answered}")


def schema_of(server: Server, seed: int, examples: int) -> Any:
    with server.client() as client:
        key = client.headers["Authorization"]
    config = {
        "headers": {"Authorization": key},
        "seed": seed,
        "base-url": server.url,
        "continue-on-failure": True,
        "request-timeout": 30.0,
        "generation": {
            "max-examples": examples,
            "mode": "all",
            "database": "none",
            "no-shrink": True,
        },
        "phases": {"coverage": {"generate-duplicate-query-parameters": True}},
        "checks": {
            # `Watch` looks whether the text of a 503 or 504 says why.
            "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", 503, 504]},
            # Too much of what is wrong anyway is refused before it is looked at.
            # A missing key counts as missing data.
            "negative_data_rejection": {
                "expected-statuses": [400, 401, 404, 405, 409, 413, 415, 422]
            },
            # DELETE retires a task; its versions and history stay, and are shown.
            "use_after_free": {"enabled": False},
        },
    }
    files = [
        png(),
        png(1, (7, 90)),
        *(task_file(small_backbone(), name).to_bytes() for name in NAMES),
    ]
    schemathesis.openapi.format("binary", st.one_of(st.sampled_from(files), st.binary()))
    given = {"headers": config["headers"], "config": schemathesis.Config.from_dict(config)}
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json", **given)
    schema = schema.exclude(path_regex=ENDLESS)
    for hook in (map_path_parameters, filter_failure):
        schema.hook(hook)
    return schema


def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """Ask more often for a task that there is, and do not retire `pets` outside of sequences."""
    task = (path_parameters or {}).get("task")
    if not isinstance(task, str) or not task:
        return path_parameters
    if context.operation.label.startswith("DELETE"):
        return path_parameters | ({"task": "dogs"} if task == "pets" else {})
    return path_parameters | ({"task": "pets"} if len(task) % 2 else {})


def filter_failure(_: Any, failure: Any, case: Any, response: Any) -> bool:
    """Drop what no change of the document or the server could mend."""
    # The text of a form's part is a label, of whatever type it was meant to be.
    accepted = type(failure).__name__ == "AcceptedNegativeData"
    if accepted and case.path.endswith("/images") and "in body - label" in failure.message:
        return False
    if type(failure).__name__ != "RejectedPositiveData" or response.status_code not in (400, 422):
        return True
    # The document leaves the body to the specification of the Open Inference Protocol.
    if case.operation.label.endswith("/infer"):
        return False
    told = response.json()
    # How many layers there are depends on the backbone.
    if case.path.endswith("/explain") and told["detail"].startswith("layer: expected one from"):
        return False
    if response.status_code == 400 and case.path.endswith(("/examples", "/images")):
        return not told["detail"].startswith(ONE_TO_ONE)
    if response.status_code == 400:
        return not (case.path.startswith("/v2/") and told["error"].startswith(BEYOND_A_SCHEMA))
    told = told["error"] if isinstance(told.get("error"), dict) else told
    reason = told.get("code") or told.get("error_type") or told.get("type", "").rpartition(":")[2]
    # Seconds for trying methods, where none are tried.
    if "expected none without method auto" in response.text:
        return False
    # How many dimensions a feature has depends on the backbone.
    if reason in EXCUSED or "dimensions: expected at most" in response.text:
        return False
    # To JSON Schema 1.0 is an integer; the server takes only what is written as one.
    return not any(isinstance(each, float) and each.is_integer() for each in numbers_of(case.body))


def numbers_of(body: Any) -> Iterator[Any]:
    """The values of a document's fields, and of the fields of a field."""
    for value in body.values() if isinstance(body, dict) else ():
        yield value
        yield from numbers_of(value)
