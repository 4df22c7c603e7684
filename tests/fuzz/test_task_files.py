"""Mutated task files, uploaded: each is refused or served, and the server stays as it was."""

from collections.abc import Iterator

import httpx
import pytest

from tests.fuzz.task_files import KINDS, mutated
from tests.fuzz.watch import Watch, steady
from tests.service.support.app import TASK_FILE, ask, small_backbone, task_file
from tests.service.support.pets import pets_server
from tests.service.support.processes import Server

SLICE, WARM_UP, WHOLE = 600, 3000, 20_000
ACCEPTED, REFUSED = {200, 201}, {400, 413, 422}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # Small budgets, so that what was accepted fills them before the memory is measured.
    budgets = {"device_budget": "64KiB", "host_budget": "64KiB"}
    with pets_server(tmp_path_factory.mktemp("store"), 0, **budgets) as server:
        yield server


@pytest.fixture(scope="module")
def sound() -> list[bytes]:
    """Task files with and without prompts, and with a hidden layer's worth of labels."""
    backbone = small_backbone()
    many = [f"class {number}" for number in range(40)]
    files = [
        task_file(backbone, "pets"),
        task_file(backbone, "pets", layers=1),
        task_file(backbone, "pets", layers=2, labels=many, recipe={"epochs": 3, "rate": 0.1}),
    ]
    return [file.to_bytes() for file in files]


def upload_all(client: httpx.Client, watch: Watch, sound: list[bytes], seeds: range) -> None:
    for seed in seeds:
        kind, data = mutated(sound, seed)
        answer = client.post("/v1/tasks/pets/versions", content=data, headers=TASK_FILE)
        watch.note(answer.status_code, answer.content, f"seed {seed}, {kind}")
        if answer.status_code not in ACCEPTED | REFUSED:
            watch.faults.append(f"seed {seed}, {kind}: {answer.status_code} {answer.text[:300]}")
        if answer.status_code in ACCEPTED:
            predicted = ask(client, "pets")
            watch.note(predicted.status_code, predicted.content, f"seed {seed}, {kind}, predict")


def test_each_kind_of_mutation_changes_the_file_and_is_the_same_at_every_run(
    sound: list[bytes],
) -> None:
    for seed in range(3 * len(KINDS)):
        kind, data = mutated(sound, seed)
        assert (kind, data) == mutated(sound, seed)
        assert kind == KINDS[seed % len(KINDS)].__name__


def test_mutated_task_files_are_refused_or_served(server: Server, sound: list[bytes]) -> None:
    watch = Watch()
    with server.client() as client:
        upload_all(client, watch, sound, range(SLICE))
    watch.settle()
    assert watch.statuses[422] > SLICE / 2
    assert watch.statuses[201] > 0


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_20_000_mutated_task_files_leave_the_memory_as_it_was(
    server: Server, sound: list[bytes]
) -> None:
    watch = Watch()
    with server.client() as client:
        upload_all(client, watch, sound, range(SLICE, SLICE + WARM_UP))
        with steady(server, watch):
            upload_all(client, watch, sound, range(SLICE + WARM_UP, SLICE + WARM_UP + WHOLE))
