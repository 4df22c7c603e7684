"""A real server under three times the load that it can answer."""

import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from facet_vision.bench.load.generate import Outcome, generate
from facet_vision.bench.load.plan import Closed, Open, Plan, Target
from tests.service.support.app import PNG, metrics, png, small_backbone, task_file, upload
from tests.service.support.processes import Server, small_server

# At most 40 images per second, and none waits longer than half a second.
FORWARD_SECONDS = 0.1
MAX_BATCH_ROWS = 4
QUEUE_ROWS = 15
CLIENTS = 12

MIB = 1024 * 1024


@pytest.fixture(scope="module", params=[0, 2], ids=["one process", "HTTP workers"])
def server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Server]:
    store = tmp_path_factory.mktemp("store")
    limits = {
        "max_batch": MAX_BATCH_ROWS,
        "queue_limit": QUEUE_ROWS,
        "decode_threads": 1,
        "http_workers": request.param,
    }
    with small_server(store, forward_seconds=FORWARD_SECONDS, **limits) as server:
        with server.client() as client:
            for task in ("hot", "quiet"):
                assert upload(client, task_file(small_backbone(), task)).status_code == 201
        yield server


def target(task: str, weight: float = 1.0) -> Target:
    return Target(f"/v1/tasks/{task}/predict", weight=weight, group=task, headers=PNG)


def load(server: Server, body: Path, arrivals: Closed | Open, *targets: Target) -> Outcome:
    body.write_bytes(png())
    plan = Plan(server.host, server.port, targets, [str(body)], arrivals, seconds=2.0, warmup=0.5)
    return generate(plan)


def resident_bytes(server: Server) -> float:
    with server.client() as client:
        return metrics(client)["process_resident_memory_bytes"]


def test_the_server_answers_what_it_can_and_refuses_the_rest_soon(
    server: Server, tmp_path: Path
) -> None:
    peak = load(server, tmp_path / "image", Closed(CLIENTS), target("hot")).rate()
    before = resident_bytes(server)
    overload = Open(3 * MAX_BATCH_ROWS / FORWARD_SECONDS)
    outcome = load(server, tmp_path / "image", overload, target("hot"))
    rows = outcome.counted()
    refused = [row.latency for row in rows if row.status == 429]
    answered = [row.latency for row in rows if row.status == 200]
    assert outcome.rate() >= 0.9 * peak
    assert len(refused) + len(answered) == len(rows)
    assert len(refused) > len(answered)
    assert statistics.median(refused) < statistics.median(answered) / 3
    assert resident_bytes(server) - before < 8 * MIB


def test_a_quiet_task_is_not_refused_for_a_hot_one(server: Server, tmp_path: Path) -> None:
    hot_rate = 2 * MAX_BATCH_ROWS / FORWARD_SECONDS
    targets = (target("hot", hot_rate), target("quiet", 5))
    outcome = load(server, tmp_path / "image", Open(hot_rate + 5), *targets)
    quiet = outcome.counted("quiet")
    assert [row.status for row in quiet] == [200] * len(quiet)
    assert 429 in {row.status for row in outcome.counted("hot")}
    assert outcome.latency(0.5, "quiet") < outcome.latency(0.5, "hot")
