"""The layout that docs/architecture.md describes: rooms, and imports that run downwards only."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BELOW = {
    "backbone": set(),
    "prompts_store": set(),
    "service": {"backbone", "prompts_store"},
    "training": {"backbone", "prompts_store"},
    "bench": {"backbone", "prompts_store", "service", "training"},
    "cli": {"backbone", "prompts_store", "service", "training", "bench"},
}


def imported_rooms(path: Path) -> set[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.append(node.module or "")
    return {name.partition(".")[0] for name in names} & BELOW.keys()


@pytest.mark.parametrize("room", BELOW)
def test_imports_run_downwards_only(room: str) -> None:
    files = [ROOT / "cli.py"] if room == "cli" else sorted((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        assert imported_rooms(path) - {room} <= BELOW[room], path


def test_no_file_outgrows_a_head() -> None:
    for path in ROOT.glob("*/**/*.py"):
        if ".venv" not in path.parts:
            assert len(path.read_text().splitlines()) <= 400, path
