"""A client that openapi-python-client makes of the document, against a live server."""

import importlib
import json
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from tests.service.support.app import png, small_backbone, task_file, upload
from tests.service.support.processes import small_server

NAME = "openapi-python-client"
GENERATOR = shutil.which(NAME) or shutil.which(NAME, path=f"{sys.prefix}/generator/bin")
"""`make test` installs it beside the other tools: it wants an older typer than we have."""

PACKAGE = "facet_generated"


@pytest.mark.skipif(GENERATOR is None, reason="openapi-python-client is not installed")
def test_it_lists_and_predicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_server(tmp_path / "store") as server:
        with server.client() as client:
            assert upload(client, task_file(small_backbone(), "pets")).status_code == 201
            generate(client.get("/openapi.json").content, tmp_path)
        monkeypatch.syspath_prepend(str(tmp_path))
        generated = importlib.import_module(PACKAGE)
        types = importlib.import_module(f"{PACKAGE}.types")
        tasks = importlib.import_module(f"{PACKAGE}.api.tasks.list_tasks_v1_tasks_get")
        predict = importlib.import_module(
            f"{PACKAGE}.api.predict.predict_one_task_v1_tasks_task_predict_post"
        )
        with generated.Client(server.url) as asking:
            assert [task.task for task in tasks.sync(client=asking).tasks] == ["pets"]
            image = types.File(BytesIO(png()))
            answer = predict.sync("pets", client=asking, body=image, top_k=2)
            image = types.File(BytesIO(png()))
            assert len(answer.results[0].predictions) == 2
            refused = predict.sync_detailed("dogs", client=asking, body=image)
            assert refused.status_code == 404
            assert refused.parsed.type_ == "urn:facet:problem:unknown-task"


def generate(document: bytes, folder: Path) -> None:
    """Write the package; the only warning is that it knows no media type with a wildcard."""
    (folder / "openapi.json").write_bytes(document)
    (folder / "config.json").write_text(json.dumps({"post_hooks": []}))
    assert GENERATOR is not None
    made = subprocess.run(
        [
            *(GENERATOR, "generate", "--meta", "none"),
            *("--path", str(folder / "openapi.json"), "--config", str(folder / "config.json")),
            *("--output-path", str(folder / PACKAGE)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    told = made.stdout + made.stderr
    # It knows no images: neither as bodies nor, of a sample, as an answer.
    images = told.count("Unsupported content type image/*") + 1
    assert told.count("WARNING") == images, told
    assert "/samples/{sample}" in told
