"""Trainings through HTTP workers, which pass these calls on to the engine's process."""

import json
import time
from pathlib import Path

from tests.service.support.processes import small_server
from tests.service.support.trainings import created


def test_events_come_through_a_worker_and_end_with_the_server(tmp_path: Path) -> None:
    # The engine's process has the small backbone, which facet train does not know.
    given = {"training_priority": "normal", "backbone": "no-such-backbone"}
    with small_server(tmp_path, http_workers=2, **given) as server, server.client() as client:
        id = created(client)
        with client.stream("GET", f"/v1/trainings/{id}/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.iter_lines()
            told = (json.loads(line[6:]) for line in lines if line.startswith("data: "))
            states = (data for data in told if "state" in data)
            assert next(states)["labels"] == [
                {"label": "blue", "count": 3},
                {"label": "red", "count": 3},
            ]
            client.post(f"/v1/trainings/{id}/start")
            assert [next(states)["state"] for _ in range(2)] == ["queued", "running"]
            failed = next(states)
            assert (failed["state"], "backbone" in failed["error"]) == ("failed", True)
            begun = time.monotonic()
            server.process.terminate()
            assert not any(line.startswith("data") for line in lines)  # to a clean end
        assert server.process.wait(30) == 0
        assert time.monotonic() - begun < 15  # not the 30 seconds of a shutdown
