"""The peers answer where they are installed, and are left out with a sentence where not."""

import json
import subprocess
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from facet_vision.bench import plans
from facet_vision.bench.command import app
from facet_vision.bench.measuring.spread import Spread
from facet_vision.bench.peers import compare
from facet_vision.bench.peers.compare import Contender, contenders, in_rounds, installed
from facet_vision.bench.peers.registry import PEERS, Peer
from facet_vision.bench.peers.tables import FACET, sections_of
from facet_vision.bench.peers.work import answer
from facet_vision.bench.plans import PeersPlan
from facet_vision.bench.servers import serving
from facet_vision.bench.servers.materials import Materials, TaskShape, prepare
from facet_vision.bench.servers.processes import Request, Server, free_port, running


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Materials:
    shape = TaskShape(tokens=2)
    return prepare(
        tmp_path_factory.mktemp("peers"), "facet-tiny", dtype="float32", tasks=2, shape=shape
    )[0]


def answers(peer: Peer, materials: Materials, log: Path) -> list[dict[str, object]]:
    """What a peer says about one image for each of the tasks."""
    if peer.preparation:
        subprocess.run(peer.command(peer.preparation, materials), check=True, capture_output=True)
    requests = [
        Request(target.path, materials.images[0].read_bytes(), target.headers)
        for target in peer.targets(materials.tasks)
    ]
    port = free_port()
    with running(
        peer.command(peer.module, materials, port=port, batch=2), port, requests[0], log
    ) as server:
        return [
            httpx.post(
                server.url + one.path, content=one.body, headers=dict(one.headers), timeout=60
            ).json()
            for one in requests
        ]


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_answers_every_task(name: str, materials: Materials, tmp_path: Path) -> None:
    peer = PEERS[name]
    if peer.missing:
        pytest.skip(f"{', '.join(peer.missing)} not installed")
    found = answers(peer, materials, tmp_path / "log")
    assert [document["task"] for document in found] == list(materials.tasks)
    for document in found:
        predictions = document["predictions"]
        assert isinstance(predictions, list)
        assert len(predictions) == 5
        assert predictions == sorted(predictions, key=lambda one: -one["probability"])
    if name != "onnx":  # its sessions open one file, since the values cost nothing
        assert found[0]["predictions"] != found[1]["predictions"]


def test_an_answer_ranks_the_labels() -> None:
    ranked = answer("a", [0.1, 0.6, 0.3])["predictions"]
    assert ranked[:2] == [
        {"label": "class 1", "probability": 0.6},
        {"label": "class 2", "probability": 0.3},
    ]


def test_the_comparison_of_facet_and_one_peer(tmp_path: Path) -> None:
    options = [
        "--peer",
        "fastapi",
        "--backbone",
        "facet-tiny",
        "--tasks",
        "2",
        "--tokens",
        "2",
        "--batch",
        "4",
    ]
    loads = ["--clients", "1,2", "--rounds", "1", "--seconds", "0.5"]
    done = CliRunner().invoke(app, ["peers", *options, *loads, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "peers.json").read_text())
    rows = [(record["server"], record["clients"]) for record in found["sections"]["Load"]]
    title = PEERS["fastapi"].title
    assert rows == [(FACET, 1), (FACET, 2), (title, 1), (title, 2)]
    assert all(record["images_per_second"]["median"] > 0 for record in found["sections"]["Load"])
    assert all(record["memory"]["median"] > 1e7 for record in found["sections"]["Servers"])
    assert [record["peer"] for record in found["sections"]["Facet at equal p99"]] == [title]
    assert "fastapi" in found["environment"]


def asked(*peers: str, dtype: str = "float32", peer_dtype: str = "float32") -> PeersPlan:
    # Without a check: some of the names are made up by a test.
    return PeersPlan.model_construct(
        peer=peers,
        backbone="facet-tiny",
        dtype=dtype,
        peer_dtype=peer_dtype,
        tasks=2,
        tokens=2,
        batch=4,
        clients=(1,),
        rounds=2,
        seconds=0.2,
    )


def test_what_cannot_run_here_is_left_out_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        PEERS,
        "missing",
        Peer("Nobody's server", "facet_vision.bench.peers.nobody", ("no-such-package",)),
    )
    monkeypatch.setitem(
        PEERS,
        "narrow",
        Peer("A narrow server", "facet_vision.bench.peers.nobody", (), precisions=("float16",)),
    )
    chosen, notes = installed(asked("missing", "fastapi", "narrow"))
    assert chosen == [PEERS["fastapi"]]
    assert notes == [
        "Nobody's server: left out, no-such-package not installed (extra `peers`).",
        "A narrow server: left out, it computes in float16 here.",
    ]


def test_the_peers_may_compute_in_another_precision(
    monkeypatch: pytest.MonkeyPatch, materials: Materials
) -> None:
    what, peer = asked("fastapi", dtype="bfloat16"), PEERS["fastapi"]
    started: list[list[str]] = []

    def start(command: list[str], *_: object) -> AbstractContextManager[Server]:
        started.append(command)
        return nullcontext()  # type: ignore[arg-type]

    monkeypatch.setattr(compare, "running", start)
    monkeypatch.setattr(serving, "running", start)
    ours = replace(materials, dtype="bfloat16")
    for contender in contenders([peer], ours, what, TaskShape(), lambda _: None):
        with contender.start():
            pass
    assert [command[command.index("--dtype") + 1] for command in started] == ["bfloat16", "float32"]
    assert installed(what) == ([peer], ["Facet computes in bfloat16, its peers in float32."])


def test_one_that_fails_is_left_out_and_not_tried_again(
    materials: Materials, tmp_path: Path
) -> None:
    starts: list[int] = []

    def start() -> AbstractContextManager[Server]:
        starts.append(1)
        peer, port = (
            Peer("A server that fails", "facet_vision.bench.peers.no_such_module", ()),
            free_port(),
        )
        return running(
            peer.command(peer.module, materials, port=port),
            port,
            Request("/", b"", {}),
            tmp_path / "log",
        )

    found, failures = in_rounds([Contender("fails", start, [])], materials, asked(), lambda _: None)
    assert (found, len(starts)) == ({}, 1)
    assert failures[0].startswith("fails: left out, it failed: the server ended early with")


def test_equal_p99_takes_the_best_load_of_facet_that_is_as_quick() -> None:
    def load(rate: float, p99: float) -> dict[str, Spread]:
        values = {
            "images_per_second": rate,
            "p50": p99,
            "p95": p99,
            "p99": p99,
            "generator": 0.1,
            "late": 0.0,
        }
        return {key: Spread((value,)) for key, value in (values | {"failed": 0.0}).items()}

    def server(memory: float) -> dict[str, Spread]:
        return {"start": Spread((1.0,)), "memory": Spread((memory,))}

    values = {
        FACET: {
            "1": load(20.0, 0.05),
            "4": load(30.0, 0.1),
            "16": load(60.0, 0.3),
            "server": server(1e9),
        },
        "slow": {"1": load(5.0, 0.02), "4": load(10.0, 0.2), "server": server(4e9)},
        "quick": {"1": load(10.0, 0.01), "server": server(1e9)},
    }
    sections = {section.title: section for section in sections_of(values, [])}
    slow, quick = sections["Facet at equal p99"].records
    assert (slow["facet_rate"], slow["ratio"], slow["memory_ratio"]) == (30.0, 3.0, 0.25)
    assert (quick["facet_rate"], quick["ratio"]) == (None, None)


def test_the_command_names_all_peers() -> None:
    assert set(plans.PEERS) == set(PEERS)
