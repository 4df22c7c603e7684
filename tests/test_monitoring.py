"""Dashboard, alerts and metrics fit together: a real Prometheus asks a server under load."""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import pytest
import yaml

from tests.service.support.app import DEPTH, PNG, png, small_backbone, task_file, upload
from tests.service.support.processes import Server, small_server

ROOT = Path(__file__).parents[1]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "facet.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TASKS = [f"task{number}" for number in range(6)]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
DATA_SECONDS = 20.0

with_prometheus = pytest.mark.skipif(
    not shutil.which("prometheus") and not os.environ.get("CI"),
    reason="Debian's package prometheus is not installed",
)


def queries() -> dict[str, str]:
    """Every query of the dashboard, and the left side of every alert's comparison."""
    found = {}
    for panel in PANELS:
        for target in panel["targets"]:
            plain = target["expr"].replace("$__rate_interval", "5s").replace("$instance", ".*")
            found[f"{panel['title']}: {target['legendFormat']}"] = plain
    for rule in RULES:
        left, compared, _ = re.split(r" ([<>]) (?=[\d.]+$)", rule["expr"])
        assert compared
        found[rule["alert"]] = left
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def load(server: Server) -> Iterator[None]:
    """Clients that ask for tasks in turn until the end of the block; some wait too briefly."""
    done = threading.Event()

    def ask(number: int) -> None:
        headers = PNG | {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        with server.client() as client:
            turn = number
            while not done.is_set():
                query = {"timeout_ms": 5} if turn % 7 == 0 else {}
                path = f"/v1/tasks/{TASKS[turn % len(TASKS)]}/predict"
                client.post(path, content=png(), headers=headers, params=query)
                turn += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[httpx.Client]:
    """Prometheus with the configuration that is shipped, but more eager."""
    text = (PROMETHEUS / "prometheus.yml").read_text()
    for shipped, eager in (
        ("scrape_interval: 5s", "scrape_interval: 500ms"),
        ("evaluation_interval: 15s", "evaluation_interval: 1s"),
        ("alerts.yml", str(PROMETHEUS / "alerts.yml")),
        ("facet:8000", target),
    ):
        assert shipped in text
        text = text.replace(shipped, eager)
    config = folder / "prometheus.yml"
    config.write_text(text)
    address = f"127.0.0.1:{free_port()}"
    options = {
        "config.file": config,
        "storage.tsdb.path": folder / "data",
        "web.listen-address": address,
        "enable-feature": "exemplar-storage",
        "log.level": "error",
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    process = subprocess.Popen(["prometheus", *arguments], cwd=folder)
    try:
        with httpx.Client(base_url=f"http://{address}/api/v1", timeout=10) as client:
            while not answers(f"http://{address}/-/ready"):
                assert process.poll() is None
                sleep(0.1)
            yield client
    finally:
        process.terminate()
        process.wait(10)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def asked(client: httpx.Client, query: str) -> list[dict[str, Any]]:
    """The series that a query returns with a number."""
    answer = client.get("/query", params={"query": query}).json()
    assert answer["status"] == "success", (query, answer)
    found: list[dict[str, Any]] = answer["data"]["result"]
    return [series for series in found if series["value"][1] != "NaN"]


def all_answered(client: httpx.Client) -> dict[str, str]:
    """Wait until every query returns data; those that have not by then are returned."""
    left = queries()
    last = monotonic() + DATA_SECONDS
    while left and monotonic() < last:
        sleep(0.25)
        left = {name: query for name, query in left.items() if not asked(client, query)}
    return left


@with_prometheus
def test_every_query_of_the_dashboard_and_the_alerts_returns_data(tmp_path: Path) -> None:
    net = small_backbone()
    # Room for some of the tasks on the device and in host memory, so that they come and go.
    limits = {"device_budget": 5000, "host_budget": 9000, "queue_limit": 5, "http_workers": 1}
    options = limits | {"gateway_metrics": True, "store_poll_seconds": 1}
    with small_server(tmp_path / "store", forward_seconds=0.02, **options) as server:
        with server.client() as client:
            for number, task in enumerate(TASKS):
                file = task_file(net, task, layers=DEPTH, seed=number)
                assert upload(client, file).status_code == 201
        with load(server), prometheus(tmp_path, f"{server.host}:{server.port}") as database:
            assert all_answered(database) == {}
            rules = database.get("/rules").json()["data"]["groups"][0]["rules"]
            assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
            assert not asked(database, '{__name__=~"vllm:.+|facet_task_requests_info"}')
            span = {"query": "facet_queue_seconds_bucket", "start": 0, "end": 4e9}
            (leading, *_) = database.get("/query_exemplars", params=span).json()["data"]
            assert leading["exemplars"][0]["labels"] == {"trace_id": TRACE}
            with server.client() as client:
                last = monotonic() + 5
                while not re.search(
                    r'waiting_lora_adapters="task', client.get("/metrics").text
                ):  # names of tasks whose rows wait
                    assert monotonic() < last


@with_prometheus
@pytest.mark.parametrize(
    "check", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")]
)
def test_alerts_are_valid_and_fire_when_they_should(check: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["promtool", *check], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_page_in_the_runbook(rule: dict[str, Any]) -> None:
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^## (\w+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor in [heading.lower() for heading in headings]
    assert anchor == rule["alert"].lower()


def test_panels_do_not_overlap_and_name_one_source() -> None:
    places = set()
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "prometheus"
        place = panel["gridPos"]
        places.add((place["x"], place["y"]))
    assert len(places) == len(PANELS)
    source = ROOT / "deploy" / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
    assert yaml.safe_load(source.read_text())["datasources"][0]["uid"] == "prometheus"
