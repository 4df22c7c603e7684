"""A short run of each subcommand with real servers, and the options that shape it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from facet_vision.bench.command import app
from facet_vision.bench.http import Http
from facet_vision.bench.plans import HttpPlan
from facet_vision.bench.servers.materials import Materials

TINY = ["--backbone", "facet-tiny", "--tokens", "2"]


def run(tmp_path: Path, name: str, *options: str) -> dict[str, Any]:
    """Run a subcommand; returns what it wrote as JSON."""
    done = CliRunner().invoke(app, [name, *options, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == (tmp_path / f"{name}.md").read_text().strip()
    assert list(tmp_path.glob(f"{name}-*.png"))
    return json.loads((tmp_path / f"{name}.json").read_text())


def test_http_against_the_engine(tmp_path: Path) -> None:
    options = [
        "--tasks",
        "3",
        "--batch",
        "4",
        "--clients",
        "1,4",
        "--loads",
        "0.5",
        "--overload",
        "2",
        "--hot",
        "5",
    ]
    options += [
        "--keys",
        "--traces",
        "1",
        "--hot-load",
        "0.2",
        "--rounds",
        "1",
        "--seconds",
        "0.5",
        "--image-size",
        "64x48",
    ]
    found = run(tmp_path, "http", *TINY, *options)
    assert found["parameters"]["clients"] == [1, 4]
    assert found["parameters"]["image_size"] == [64, 48]
    closed = found["sections"]["Over concurrency"]
    assert [record["what"] for record in closed] == [
        "engine alone",
        "HTTP, 1 clients",
        "HTTP, 4 clients",
    ]
    assert all(record["images_per_second"]["median"] > 0 for record in closed)
    assert closed[0]["of_engine"]["median"] == 1.0
    assert all(
        0 < record["lag_p99"]["median"] <= record["lag_most"]["median"] for record in closed[1:]
    )
    assert [record["what"] for record in found["sections"]["Random arrivals"]] == [
        "50% of saturation"
    ]
    saturation = max(record["images_per_second"]["median"] for record in closed[1:])
    [overload] = found["sections"]["Overload"]
    assert overload["offered"]["median"] == pytest.approx(2 * saturation)
    assert overload["memory_before"]["median"] > 1e7
    options = found["sections"]["Options"]
    assert [each["what"] for each in options] == ["as it is", "with keys", "with traces"]
    assert all(each["failed"]["median"] == 0 for each in options)
    calm, hot = found["sections"]["One hot task"]
    assert calm["offered"]["median"] == pytest.approx(0.2 * saturation)
    assert hot["offered"]["median"] == pytest.approx(0.2 * saturation * (2 + 5) / 2)


def test_http_leaves_out_what_is_not_asked_for(tmp_path: Path) -> None:
    plan = HttpPlan(clients=(1,), loads=(), overload=0, hot=0)
    materials = Materials(tmp_path, "facet-tiny", None, "float32", ("a", "b"), ())
    assert Http(plan, materials, None, print).open_loads(10.0) == {}


def test_clients_of_one_server(tmp_path: Path) -> None:
    pytest.importorskip("tritonclient", reason="the extra dev is not installed")
    options = ["--tasks", "2", "--clients", "2", "--rounds", "1", "--seconds", "0.5"]
    found = run(tmp_path, "clients", *TINY, *options, "--image-size", "64x48")
    records = found["sections"]["Clients"]
    assert [each["what"] for each in records] == [
        "load generator",
        "AsyncClient",
        "tritonclient.http.aio",
        "tritonclient.grpc.aio",
    ]
    assert all(each["images_per_second"]["median"] > 0 for each in records)
    assert all(each["failed"]["median"] == 0 for each in records)
    assert records[1]["of_ours"]["median"] == records[0]["of_generator"]["median"] == 1.0


def test_mix_of_tasks(tmp_path: Path) -> None:
    options = [
        "--tasks",
        "1,3",
        "--clients",
        "2",
        "--batch",
        "4",
        "--rounds",
        "1",
        "--seconds",
        "0.3",
    ]
    found = run(tmp_path, "mix", *TINY, *options)
    for records in found["sections"].values():
        assert [(record["tasks"], record["traffic"]) for record in records] == [
            (1, "uniform"),
            (3, "uniform"),
            (3, "zipf"),
        ]
        assert records[0]["ratio"]["median"] == 1.0
    assert list(found["sections"]) == ["Engine alone, full batches", "Over HTTP, closed load"]


def test_mix_at_one_level_with_one_distribution(tmp_path: Path) -> None:
    options = [
        "--tasks",
        "1,2",
        "--levels",
        "engine",
        "--traffic",
        "zipf",
        "--rounds",
        "1",
        "--seconds",
        "0.1",
    ]
    found = run(tmp_path, "mix", *TINY, *options, "--dtype", "bfloat16")
    [records] = found["sections"].values()
    assert found["parameters"]["dtype"] == "bfloat16"
    assert [record["traffic"] for record in records] == ["zipf", "zipf"]


def test_swaps(tmp_path: Path) -> None:
    options = [
        "--tasks",
        "2",
        "--megabytes",
        "0.2",
        "--uploads",
        "2",
        "--clients",
        "2",
        "--load",
        "0.3",
    ]
    found = run(
        tmp_path, "swap", *TINY, *options, "--swaps", "4", "--rounds", "1", "--seconds", "1"
    )
    idle, beside = found["sections"]["Upload to live"]
    assert idle["uploads"] == 2
    assert beside["uploads"] >= 2
    assert 0 < idle["p50"]["median"] <= idle["p99"]["median"]
    alone, swapping = found["sections"]["Traffic of the other tasks"]
    assert (
        alone["p99_ratio"]["median"],
        alone["failed"]["median"],
        swapping["failed"]["median"],
    ) == (1.0, 0.0, 0.0)
    assert "The file has 0.20 MB" in (tmp_path / "swap.md").read_text()


def test_memory_and_start(tmp_path: Path) -> None:
    options = ["--kinds", "deep", "--labels", "3", "--tasks", "2,5", "--ask", "3", "--rounds", "1"]
    found = run(tmp_path, "memory", *TINY, *options)
    two, five = found["sections"]["Start-up over the number of tasks"]
    assert (two["tasks"], five["tasks"]) == (2, 5)
    assert (two["loaded"]["median"], five["loaded"]["median"]) == (2, 3)  # of five, three are asked
    assert five["start"]["median"] > 0
    assert five["first_p50"]["median"] > 0 < five["second_p50"]["median"]
    [task] = found["sections"]["Bytes per task"]
    keys_and_values, head = 8 * 2 * 2 * 160 * 4, (160 + 1) * 3 * 4
    assert task["device"] == keys_and_values + head
    assert task["disk"] > 8 * 2 * 160 * 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["http", "--clients", "0"], "clients.0: input should be greater than or equal to 1"),
        (["http", "--loads", "half"], "loads.0: input should be a valid number"),
        (["http", "--image-size", "500"], "image_size: expected a width and a height"),
        (
            ["mix", "--traffic", "bursts"],
            "traffic.0: input should be 'uniform' or 'zipf', found 'bursts'",
        ),
        (["mix", "--levels", "disk"], "levels.0: input should be 'engine' or 'http'"),
        (["memory", "--kinds", "wide"], "kinds.0: input should be 'deep', 'shallow' or 'linear'"),
        (["peers", "--peer", "nobody"], "peer.0: input should be 'fastapi'"),
        (["swap", "--dtype", "int4"], "dtype: input should be 'float32'"),
        (["swap", "--backbone", "no-such-net"], "which timm does not know"),
    ],
)
def test_a_bad_option_is_told_in_a_sentence(arguments: list[str], sentence: str) -> None:
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "400"})
    assert done.exit_code
    assert sentence in done.output
