"""What the Dockerfile and the compose file promise, checked without an engine."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

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
    assert re.search(r"^ARG EXTRAS=heic,", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    extras = re.findall(r"'\.\[([\w,]+)\]'", (ROOT / "Makefile").read_text())
    assert len(extras) == 2
    assert all("heic" in each.split(",") for each in extras)


def test_the_container_is_not_root_and_knows_when_it_is_ill() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    assert "HEALTHCHECK" in text
    assert "/readyz" in text


def test_dependencies_are_installed_before_the_code_changes_them() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert text.index("--requirement requirements.txt") < text.index("COPY service")
    listed = subprocess.run(
        [sys.executable, "deploy/requirements.py", "otel"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert listed == project["dependencies"] + project["optional-dependencies"]["otel"]


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


@pytest.mark.parametrize(
    ("profile", "services"),
    [("cpu", {"facet"}), ("gpu", {"facet-gpu"}), ("s3", {"facet-s3", "minio", "bucket"})],
)
def test_each_profile_starts_one_server_with_its_eyes(profile: str, services: set[str]) -> None:
    listed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    started = {
        name: service
        for name, service in listed.items()
        if profile in service.get("profiles", [profile])
    }
    assert set(started) == services | {"prometheus", "grafana"}
    published = [port for service in started.values() for port in service.get("ports", [])]
    assert len(published) == len(set(published)) == 3
    (server,) = (service for service in started.values() if service.get("image") == "facet")
    assert server["read_only"]
    assert server["networks"]["default"]["aliases"] == ["facet"]  # which Prometheus asks
    if profile == "cpu":  # what is started without any
        assert f"COMPOSE_PROFILES={profile}\n" in (ROOT / ".env").read_text()
