"""What the Dockerfile and the compose file promise, checked without an engine."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_image_holds_every_package_that_the_wheel_needs() -> None:
    copied = set(re.findall(r"^COPY (\w+) ", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    ignored = (ROOT / ".dockerignore").read_text()
    for room in (
        "facet_vision",
        "backbone",
        "prompts_store",
        "common",
        "service",
        "training",
        "bench",
    ):
        assert room in copied
        assert f"!{room}" in ignored


def test_the_container_and_make_read_the_photos_of_phones() -> None:
    assert "['optional-dependencies']['heic']" in (ROOT / "Dockerfile").read_text()
    extras = re.findall(r"'\.\[([\w,]+)\]'", (ROOT / "Makefile").read_text())
    assert len(extras) == 2
    assert all("heic" in each.split(",") for each in extras)


def test_the_container_is_not_root_and_knows_when_it_is_ill() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    assert "HEALTHCHECK" in text
    assert "/readyz" in text


def test_compose_publishes_on_loopback_only() -> None:
    ports = re.findall(r'- "([\d.:]+:\d+)"', (ROOT / "docker-compose.yml").read_text())
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.skipif(
    not shutil.which("docker-compose") and not os.environ.get("CI"),
    reason="docker-compose is not installed",
)
def test_compose_file_is_valid() -> None:
    done = subprocess.run(
        ["docker-compose", "config", "--quiet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
