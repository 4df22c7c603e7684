"""Servers under test: they are waited for, weighed and ended with their children."""

import sys
from pathlib import Path

import pytest

from facet_vision.bench.servers.processes import Request, ServerFailed, free_port, running

SERVER = """
import http.server, subprocess, sys
code = "import time; block = bytearray(30_000_000); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", code])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        data = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200 if self.headers["x-key"] == "open" else 403)
        self.end_headers()
        self.wfile.write(data)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
OPEN = Request("/", b"x", {"X-Key": "open"})


def alive(pid: int) -> bool:
    """Whether it runs; one that is dead but not yet reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from Linux's /proc"
)
def test_a_server_is_weighed_and_ended_with_its_children(tmp_path: Path) -> None:
    port = free_port()
    with running([sys.executable, "-c", SERVER, str(port)], port, OPEN, tmp_path / "log") as server:
        assert server.seconds_to_ready > 0
        assert server.post(Request("/", b"x", {})) == 403
        family = server.processes()
        assert len(family) == 2
        assert server.memory() > 0
        assert server.resident() >= server.memory() // 2
        server.check()
    assert not any(map(alive, family))


def test_one_that_ends_early_is_reported_with_its_last_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no port for me')"]
    with (
        pytest.raises(ServerFailed, match="ended early with: no port for me"),
        running(command, free_port(), OPEN, tmp_path / "log"),
    ):
        pass


def test_settings_reach_the_server(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os; raise SystemExit(os.environ['SOME_SETTING'])"]
    with (
        pytest.raises(ServerFailed, match="as given"),
        running(command, free_port(), OPEN, tmp_path / "log", {"SOME_SETTING": "as given"}),
    ):
        pass
