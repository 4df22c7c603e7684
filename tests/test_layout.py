"""The layout that docs/architecture.md describes: rooms, and imports that run downwards only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "facet_vision"
MAX_MODULES = 16
MAX_LINES = 400

BELOW = {
    "backbone": set(),
    "prompts_store": set(),
    "common": {"backbone", "prompts_store"},
    "service": {"backbone", "prompts_store", "common"},
    "training": {"backbone", "prompts_store", "common"},
    "bench": {"backbone", "prompts_store", "common", "service", "training"},
}
"""Each top-level room, and the rooms that it may import."""

BELOW_IN_SERVICE = {
    "access": {"errors", "settings"},
    "engine": {"errors", "settings"},
    "residency": {"errors", "settings", "engine"},
    "telemetry": {"engine", "residency"},
    "predictor": {"errors", "settings", "access", "engine", "residency", "telemetry"},
    "trainings": {"errors", "settings"},
    "oip": {"errors", "engine", "residency", "predictor"},
    "http": {
        "errors",
        "panels",
        "settings",
        "hosts",
        "components",
        "access",
        "oip",
        "predictor",
        "telemetry",
        "trainings",
    },
    "http/server": {"errors", "settings", "access", "http", "predictor", "telemetry"},
    "grpc": {"errors", "settings", "components", "access", "http", "oip", "telemetry"},
    "workers": {
        *("errors", "settings", "components", "banner", "access", "tracing"),
        *("engine", "http", "http/server", "predictor", "telemetry"),
    },
    "client": set(),
}
"""Each room of service, and the rooms and modules beside them that it may import."""

BELOW_IN_TRAINING = {
    "data": {"errors", "recipe"},
    "methods": {"errors", "recipe", "precision", "seeding", "data"},
    "fitting": {
        *("errors", "recipe", "identity", "locking", "metrics", "objectives", "precision"),
        *("seeding", "data", "methods"),
    },
    "confidence": {"objectives"},
    "output": {"errors", "recipe", "metrics", "confidence", "data", "methods"},
    "tuning": {
        *("errors", "recipe", "identity", "metrics", "results", "train"),
        *("data", "methods"),
    },
    "variants": {"errors", "recipe", "seeding", "train", "data", "fitting", "methods"},
    "experiments": {
        *("errors", "recipe", "identity", "load_cache", "results"),
        *("data", "methods", "tuning", "variants"),
    },
}
"""Likewise the rooms of training on which its reports stand."""


def modules(folder: str) -> list[Path]:
    """The modules in a room and in its rooms."""
    return sorted((ROOT / folder).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """What a module imports of ours, as paths from the root: `service/errors` for example."""
    package = path.parent.relative_to(ROOT).parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else ()
            base = (*start, *(node.module or "").split(".")) if node.module else start
            names = [(*base, alias.name) for alias in node.names]
        else:
            continue
        for name in names:
            parts = name[1:] if name[0] == PACKAGE else name
            if (
                parts
                and (ROOT / parts[0]).is_dir()
                and (name[0] == PACKAGE or node_is_relative(node))
            ):
                yield "/".join(parts)


def node_is_relative(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and node.level > 0


def place(target: str, room: str, places: set[str]) -> str | None:
    """Which of the places in a room an import is of; the longest that fits."""
    inside = target.removeprefix(f"{room}/")
    if inside == target:
        return None
    fitting = [each for each in places if f"{inside}/".startswith(f"{each}/")]
    return max(fitting, key=len, default=inside.partition("/")[0])


@pytest.mark.parametrize("room", BELOW)
def test_rooms_import_downwards_only(room: str) -> None:
    assert modules(room)
    for path in modules(room):
        rooms = {target.partition("/")[0] for target in imported(path)}
        assert rooms - {room} <= BELOW[room], path


@pytest.mark.parametrize(
    ("parent", "room", "below"),
    [("service", room, below) for room, below in BELOW_IN_SERVICE.items()]
    + [("training", room, below) for room, below in BELOW_IN_TRAINING.items()],
)
def test_rooms_within_a_room_do_too(parent: str, room: str, below: set[str]) -> None:
    places = {*BELOW_IN_SERVICE, *BELOW_IN_TRAINING, room, *below}
    files = [
        path for path in modules(f"{parent}/{room}") if room != "http" or "server" not in path.parts
    ]
    assert files
    for path in files:
        found = {place(target, parent, places) for target in imported(path)}
        assert found - {None, room} <= below, path


def test_the_client_knows_nothing_of_the_server_but_its_documents() -> None:
    for path in modules("service/client"):
        ours = [target for target in imported(path) if target.startswith("service/")]
        assert all(target.startswith(("service/client", "service/http/schemas")) for target in ours)


def test_no_folder_holds_more_than_a_person_can() -> None:
    for room in BELOW:
        for folder in {path.parent for path in modules(room)}:
            assert len(list(folder.glob("*.py"))) <= MAX_MODULES, folder


def test_no_file_outgrows_a_head() -> None:
    for room in (*BELOW, "tests", "facet_vision", "examples"):
        for path in modules(room):
            assert len(path.read_text().splitlines()) <= MAX_LINES, path


@pytest.mark.parametrize("room", BELOW)
def test_facet_vision_holds_a_link_to_every_room(room: str) -> None:
    link = ROOT / PACKAGE / room
    assert link.is_symlink()
    assert str(link.readlink()) == f"../{room}"


def test_rooms_say_what_they_hold() -> None:
    for room in BELOW:
        for path in (ROOT / room).rglob("__init__.py"):
            assert ast.get_docstring(ast.parse(path.read_text())), path
