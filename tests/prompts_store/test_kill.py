"""kill -9 at random moments: acknowledged versions are there, half-written ones never seen."""

import json
import random
import subprocess
import sys
from pathlib import Path

from facet_vision.prompts_store import Store, open_store

KILLS = 60
PUBLISHER = "tests.prompts_store.publisher"
ROOT = Path(__file__).parents[2]


def test_every_acknowledged_version_survives_a_kill(tmp_path: Path) -> None:
    chance = random.Random(7)
    acknowledged: list[tuple[str, int, str]] = []
    with subprocess.Popen(
        [sys.executable, "-m", PUBLISHER, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as publisher:
        assert publisher.stdin
        assert publisher.stdout
        for _ in range(KILLS):
            publisher.stdin.write(f"{chance.randrange(5)} {chance.uniform(0, 0.03)}\n")
            publisher.stdin.flush()
            new = [tuple(entry) for entry in json.loads(publisher.stdout.readline())]
            check(open_store(tmp_path), new)
            acknowledged += new
        publisher.stdin.close()
    assert len(acknowledged) >= KILLS
    assert len({(task, number) for task, number, _ in acknowledged}) == len(acknowledged)
    check(open_store(tmp_path), acknowledged)


def check(store: Store, acknowledged: list[tuple[str, int, str]]) -> None:
    """Every acknowledged version is there with its bytes, and so is all that the store shows."""
    for task, number, sha256 in acknowledged:
        assert store.state(task).version(number).sha256 == sha256
    for task in store.tasks():
        state = store.state(task)
        assert state.live is None or state.version(state.live)
        store.read(
            task, state.versions[-1].number
        )  # read checks the sha256; the last is where the kill struck
