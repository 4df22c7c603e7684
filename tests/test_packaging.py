"""What is installed: one import name, whole, and safe beside anybody's files."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.support.processes import Server, command

ROOT = Path(__file__).parents[1]
LEFT_OUT = (".venv", ".git", "tests", "*.egg-info", "build", "dist", "__pycache__", ".*_cache")
HOSTILE = "raise ImportError('a file of the user was imported')\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a source distribution, and the wheel that was built from it."""
    source = tmp_path_factory.mktemp("source") / "facet"
    shutil.copytree(ROOT, source, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
    built = source / "dist"
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(built), str(source)],
        check=True,
        capture_output=True,
        timeout=240,
    )
    return built


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (wheel,) = built.glob("facet_vision-*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder into which the wheel alone was installed."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(folder), str(wheel)],
        check=True,
        capture_output=True,
        timeout=240,
    )
    return folder


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder whose files have the names of our rooms."""
    for room in ("backbone", "bench", "common", "prompts_store", "service"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text(HOSTILE)
    for module in ("training", "cli"):
        (tmp_path / f"{module}.py").write_text(HOSTILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def facet(installed: Path) -> Iterator[str]:
    """The command of the installed wheel, which every process finds before the checkout."""
    return str(installed / "bin" / "facet")


def test_the_wheel_holds_nothing_but_facet_vision(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    (metadata,) = tops - {"facet_vision"}
    assert metadata.startswith("facet_vision-")
    assert metadata.endswith(".dist-info")


def test_the_wheel_is_whole(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    rooms = ("backbone", "bench", "common", "prompts_store", "service", "training")
    ours = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    assert len(ours) > 200
    for path in ours:
        assert f"facet_vision/{path.relative_to(ROOT)}" in names
    for data in (
        "py.typed",
        "backbone/weights/facet_tiny.safetensors",
        "prompts_store/builtin/digits.safetensors",
        "prompts_store/builtin/samples/digits/6-5.png",
        "service/console/index.html",
        "training/recipes/digits.toml",
    ):
        assert f"facet_vision/{data}" in names


def test_the_source_distribution_holds_what_builds_it(built: Path) -> None:
    (archive,) = built.glob("facet_vision-*.tar.gz")
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "facet_vision/service/server.py"} <= names


@pytest.mark.usefixtures("hostile")
def test_the_command_starts_beside_files_of_the_same_names(facet: str, installed: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    for arguments in ([facet, "--help"], ["-m", "facet_vision", "--help"]):
        done = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "serve" in done.stdout


def test_a_server_answers_beside_files_of_the_same_names(
    facet: str, installed: Path, hostile: Path
) -> None:
    sample = ROOT / "prompts_store" / "builtin" / "samples" / "digits" / "6-5.png"
    with command(facet, "serve", path=installed, port=0, store=hostile / "store") as server:
        answer = ask(server, "digits", sample.read_bytes())
    assert answer["task"] == "digits"
    assert answer["predictions"][0]["label"] == "6"


def ask(server: Server, task: str, image: bytes) -> dict:
    with server.client() as client:
        answer = client.post(
            f"/v1/tasks/{task}/predict", content=image, headers={"Content-Type": "image/png"}
        )
    assert answer.status_code == 200, answer.text
    return answer.json()["results"][0]
