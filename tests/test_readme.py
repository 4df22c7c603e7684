"""The README's shell blocks run as they stand, against the server that `make serve` would start."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.service.support.processes import Server, command

ROOT = Path(__file__).parents[1]
FACET = Path(sys.executable).with_name("facet")
BLOCKS = re.findall(
    r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with command(str(FACET), "serve", port=0, store=tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder like a clone's, with photos of two classes that are easy to tell apart."""
    home = tmp_path_factory.mktemp("clone")
    (home / "prompts_store").symlink_to(ROOT / "prompts_store")
    (home / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    random = np.random.default_rng(0)
    for label, low in (("cat", 0), ("dog", 128)):
        (home / "photos" / label).mkdir(parents=True)
        for number in range(10):
            pixels = random.integers(low, low + 128, (60, 80, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(home / "photos" / label / f"{number}.png")
    return home


def test_there_are_blocks_to_run() -> None:
    assert len(BLOCKS) == 5


@pytest.mark.skipif(
    not shutil.which("curl") and not os.environ.get("CI"), reason="curl is not installed"
)
def test_every_command_works_in_order(server: Server, folder: Path) -> None:
    outputs = []
    for line in "".join(BLOCKS).splitlines():
        ready = line.replace("http://127.0.0.1:8000", server.url).replace(
            ".venv/bin/facet", str(FACET)
        )
        done = subprocess.run(
            ["bash", "-c", ready],
            cwd=folder,
            env={**os.environ, "CURL_HOME": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        outputs.append(done.stdout)
    assert '"task":"digits"' in outputs[0]
    assert "pets version 1 is live" in outputs[3]
    assert "photos/cat/0.png: cat" in outputs[4]
    assert "pets version 2 is live" in outputs[6]
    assert '"live":1' in outputs[8]
    assert '"version":1' in outputs[9]
    assert '"label":"dog","count":2' in outputs[10]
    assert outputs[11].startswith("photos/dog/2.png: ")
