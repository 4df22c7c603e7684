"""What a scraper reads: the format that it asks for, and the gauges of gateways."""

import re
from collections.abc import Callable, Iterable
from time import time

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse_text
from starlette.testclient import TestClient

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import open_store
from tests.service.support.app import ask, metrics, task_file, upload

OPEN = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.2"}


def labels(line: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="([^"]*)"', line))


def series(client: TestClient, name: str) -> list[str]:
    return [line for line in client.get("/metrics").text.splitlines() if line.startswith(name)]


def test_both_formats_can_be_read_and_tell_the_same(
    small: Backbone, serve: Callable[..., TestClient]
) -> None:
    client = serve(gateway_metrics=True)
    assert upload(client, task_file(small, "pets")).status_code == 201
    assert ask(client, "pets").status_code == 200
    plain = client.get("/metrics")
    opened = client.get("/metrics", headers=OPEN)
    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert opened.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert opened.headers["vary"] == "Accept"

    def names(families: Iterable[Metric]) -> set[str]:
        return {sample.name for each in families for sample in each.samples}

    found = names(parse_text(plain.text))
    assert found == names(parse_open(opened.text))
    assert {"facet_images_total", "vllm:lora_requests_info"} <= found
    assert not [name for name in found if name.endswith("_created")]


def test_gateways_learn_which_tasks_are_here_only_where_asked_to(
    small: Backbone, serve: Callable[..., TestClient]
) -> None:
    store = open_store("memory:")
    client = serve(gateway_metrics=True, store=store, queue_limit=77)
    (before,) = series(client, "facet_task_requests_info")
    assert labels(before) == {
        "max_tasks": "77",
        "resident_tasks": "",
        "running_tasks": "",
        "waiting_tasks": "",
    }
    for task in ("pets", "cars"):
        assert upload(client, task_file(small, task)).status_code == 201
    assert ask(client, "pets").status_code == 200
    (ours,), (theirs,) = (
        series(client, name) for name in ("facet_task_requests_info", "vllm:lora_requests_info")
    )
    assert labels(ours)["resident_tasks"] == "pets,cars"  # used last first
    device = client.app.state.components.bank.device  # type: ignore[attr-defined]
    room = str(device.budget * 2 // device.nbytes)
    assert labels(ours)["max_tasks"] == room
    assert labels(theirs) == {
        "max_lora": room,
        "running_lora_adapters": "pets,cars",
        "waiting_lora_adapters": "",
    }
    assert abs(float(theirs.rpartition(" ")[2]) - time()) < 60
    assert metrics(client)["vllm:num_requests_waiting"] == 0
    hidden = serve(store=store).get("/metrics").text
    assert "vllm:" not in hidden
    assert "facet_task_requests_info" not in hidden


def test_readiness_is_a_number(client: TestClient) -> None:
    found = metrics(client)
    assert (found["facet_ready"], found["facet_queue_limit"]) == (1, 512)
    client.app.state.components.drain()  # type: ignore[attr-defined]
    assert metrics(client)["facet_ready"] == 0
