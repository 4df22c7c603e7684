"""Processes of a comparison, which end with the command however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

START = """
import multiprocessing
import time
from facet_vision.training.experiments.workers import workers
from facet_vision.training.recipe import make_recipe

if __name__ == "__main__":
    recipe = make_recipe({"data": "digits", "task": "t", "lr": 1.0, "epochs": 10**6}, {})
    with workers(1, "cpu") as run:
        run(recipe.model_copy(update={"data": "nowhere"}), None).exception()  # the worker is up
        run(recipe, None)
        print(multiprocessing.active_children()[0].pid, flush=True)
        time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_killed_command_leaves_no_process_behind(tmp_path: Path) -> None:
    script = tmp_path / "start.py"
    script.write_text(START)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert _is_running(worker)
        parent.send_signal(signal.SIGKILL)
    until = time.monotonic() + 120
    while _is_running(worker) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _is_running(worker)


def _is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
