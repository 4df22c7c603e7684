"""The process of a training: what it says, its priority, and that it ends with its server."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facet_vision.service.trainings.process import LAUNCHER, TrainProcess, environment

pytestmark = pytest.mark.anyio

TALK = """
import sys
print('{"phase": "reading"}', file=sys.stderr)
print('{"note": "of no interest"}', file=sys.stderr)
print('x' * 2_000_000, file=sys.stderr)
print('[1]', file=sys.stderr)
print('facet train: data: expected some, found none', file=sys.stderr)
print('{"phase": "training", "done": 1}', file=sys.stderr)
raise SystemExit(3)
"""
SLEEP = 'import time, sys; print(\'{"phase": "asleep"}\', file=sys.stderr); time.sleep(600)'


async def start(script: str, priority: str = "normal") -> TrainProcess:
    return await TrainProcess.start([sys.executable, "-c", script], threads=3, priority=priority)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def until_dead(pid: int) -> None:
    last = time.monotonic() + 30
    while alive(pid):
        assert time.monotonic() < last, "it lives"
        time.sleep(0.02)


async def test_progress_is_told_and_the_last_line_for_people_kept() -> None:
    process = await start(TALK)
    assert [told async for told in process.progress()] == [
        {"phase": "reading"},
        {"phase": "training", "done": 1},
    ]
    assert await process.wait() == 3
    assert process.said == "facet train: data: expected some, found none"
    process.kill()  # nothing is left to end


async def test_it_is_killed_with_what_it_started() -> None:
    nested = f"""
import subprocess, sys, json
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}])
print(json.dumps({{"phase": "nested", "pid": child.pid}}), file=sys.stderr, flush=True)
child.wait()
"""
    process = await start(nested)
    told = await anext(process.progress())
    while "pid" not in told:
        told = await anext(process.progress())
    assert alive(told["pid"])
    process.kill()
    assert await process.wait() == -signal.SIGKILL
    until_dead(told["pid"])


def test_it_ends_with_the_server_however_that_ends() -> None:
    server = f"""
import subprocess, sys, time
child = subprocess.Popen(
    [sys.executable, {str(LAUNCHER)!r}, "normal", sys.executable, "-c", {SLEEP!r}],
    stdin=subprocess.PIPE, stderr=subprocess.PIPE)
child.stderr.readline()
print(child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        launcher = int(process.stdout.readline())
        members = _group(launcher)
        assert len(members) == 2
        assert os.getsid(launcher) == os.getsid(0)
        process.kill()
    for pid in members:
        until_dead(pid)


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="the system has no such policy")
async def test_at_the_priority_idle_nobody_is_kept_waiting() -> None:
    script = "import os, sys; sys.exit(os.sched_getscheduler(0))"
    assert await (await start(script, "idle")).wait() == os.SCHED_IDLE
    assert await (await start(script, "normal")).wait() == os.SCHED_OTHER


def test_the_servers_settings_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACET_KEYS", "secret")
    passed = environment(2)
    assert passed["OMP_NUM_THREADS"] == "2"
    assert "secret" not in passed.values()


def _group(leader: int) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    found = []
    for pid in pids:
        try:
            if os.getpgid(pid) == leader:
                found.append(pid)
        except ProcessLookupError:
            continue
    return found
