"""Instant tasks through HTTP workers, which pass these calls on to the engine's process."""

from pathlib import Path

from tests.service.support.app import assert_problem
from tests.service.support.processes import small_server
from tests.service.support.shades import best, shade, shades, teach


def test_a_task_is_taught_through_any_worker_and_is_there_after_a_restart(tmp_path: Path) -> None:
    with small_server(tmp_path, http_workers=2) as server, server.client() as client:
        made = teach(client, "t", {"dark": shades("dark", 3), "light": shades("light", 3)})
        assert made.status_code == 201, made.text
        assert best(client, "t", shade("light", 9))["label"] == "light"
        more = teach(client, "t", {"red": shades("red", 3)})
        assert more.json()["version"] == 2
        assert best(client, "t", shade("red", 9)) | {"probability": 0} == {
            "label": "red",
            "probability": 0,
            "version": 2,
        }
        assert_problem(teach(client, "t", {"red": [b"no image"]}), 422)
        assert server.stop() == 0
    with small_server(tmp_path, http_workers=1) as server, server.client() as client:
        assert best(client, "t", shade("red", 9))["label"] == "red"
        less = client.delete("/v1/tasks/t/examples", params={"label": "red"})
        assert less.json()["version"] == 3
        shown = client.get("/v1/tasks/t/examples").json()
        assert [each["label"] for each in shown["labels"]] == ["dark", "light"]
