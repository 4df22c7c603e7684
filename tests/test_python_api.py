"""The public names, docs/python.md and examples/, run as a newcomer would run them."""

import ast
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import facet_vision
from tests.service.support.processes import Server, command

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "python.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
NOT_RUN = {"gradio_client"}  # Gradio is not installed; tests/service/client/views reads it

ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    store = tmp_path_factory.mktemp("store")
    with command("-m", "facet_vision", "serve", port=0, store=store) as running:
        yield running


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with photos of two classes that are easy to tell apart."""
    random = np.random.default_rng(0)
    for label, low in (("cat", 0), ("dog", 128)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(10):
            pixels = random.integers(low, low + 128, (60, 80, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


def test_public_names() -> None:
    assert set(facet_vision.__all__) == {
        *("Backbone", "load", "wrap"),
        *("Recipe", "new_recipe", "read_data", "train_task"),
        *("Head", "Identity", "Manifest", "TaskFile", "Store", "open_store"),
        *("Settings", "create_app", "__version__"),
        *("Client", "AsyncClient", "Retries", "ClientError"),
        *("PredictResult", "Embedding", "TaskSummary", "TaskDetail", "Published"),
        *("TaskExamples", "ExamplesChanged"),
    }
    for name in facet_vision.__all__:
        assert getattr(facet_vision, name) is not None
        assert f"`{name}`" in PAGE
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = facet_vision.nothing


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, facet_vision; print('torch' in sys.modules, 'pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_the_typed_names_are_those_that_are_imported() -> None:
    """What a type checker reads and what `__getattr__` imports must be the same."""
    tree = ast.parse(Path(facet_vision.__file__).read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: node.module
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == facet_vision._HOMES


@pytest.mark.usefixtures("photos")
def test_every_block_of_the_page_runs(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(BLOCKS) == 6
    assert len(BLOCKS[0].splitlines()) <= 15
    names: dict[str, Any] = {}
    with torch.random.fork_rng():
        for block in BLOCKS:
            exec(compile(block.replace(ADDRESS, server.url), "python.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "'label': 'cat'" in printed
    assert "404 unknown-task" in printed


@pytest.mark.parametrize(
    "name", sorted({path.stem for path in (ROOT / "examples").glob("*.py")} - NOT_RUN)
)
def test_examples(
    name: str, server: Server, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = ROOT / "prompts_store" / "builtin" / "samples" / "digits" / "6-5.png"
    arguments, expected = {
        "folder_to_endpoint": ([str(photos), "zoo", server.url], "zoo version 1 is live"),
        "training_loop": (["stripes.safetensors"], "wrote stripes.safetensors"),
        "mixed_tasks": ([str(sample), server.url, "digits", "letters"], "digits (version 1): 6"),
    }[name]
    path = ROOT / "examples" / f"{name}.py"
    assert os.fspath(path.relative_to(ROOT)) in (
        ast.get_docstring(ast.parse(path.read_text())) or ""
    )
    argv, sys.argv = sys.argv, [name, *arguments]
    try:
        runpy.run_path(str(path), run_name="__main__")
    finally:
        sys.argv = argv
    assert expected in capsys.readouterr().out
