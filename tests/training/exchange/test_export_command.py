"""`facet export` on a command line."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facet_vision.cli import app

FILE = Path(__file__).parents[3] / "prompts_store/builtin/digits.safetensors"


def facet(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["export", *map(str, arguments)], env={"COLUMNS": "400"})
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def _extra() -> None:
    for package in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package, reason="the extra `onnx` is not installed")


@pytest.mark.slow
@pytest.mark.usefixtures("_extra")
def test_a_builtin_task(tmp_path: Path) -> None:
    out = tmp_path / "digits.onnx"
    code, printed, _ = facet(FILE, out)
    assert code == 0
    assert printed.startswith(f"wrote {out} (11 MB); in ONNX Runtime its logits differ by at most ")


@pytest.mark.usefixtures("_extra")
@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ((FILE, "none/x.onnx"), 2, "out: expected a file name in a folder that exists"),
        ((__file__, "x.onnx"), 1, "header length: expected at most"),
        ((FILE, "x.onnx", "--backbone", "nothing"), 1, "backbone: expected one of"),
        (
            (FILE, "x.onnx", "--backbone", "facet-tiny", "--checkpoint", "none"),
            1,
            "checkpoint: expected a file, found nothing",
        ),
    ],
)
def test_refusals(
    given: tuple[object, ...],
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    found, _, said = facet(*given)
    assert (found, said.count("\n")) == (code, 1)
    assert said.startswith("facet export: ")
    assert words in said
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    code, _, said = facet(FILE, tmp_path / "x.onnx")
    assert code == 2
    assert "expected the packages of the extra `onnx` (pip install 'facet-vision[onnx]')" in said
