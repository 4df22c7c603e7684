"""`facet keys`."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facet_vision.cli import app
from facet_vision.service.access import Keyring
from facet_vision.service.errors import Unauthorized


def run(file: Path, *arguments: str, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, ["keys", *arguments, "--file", str(file)])
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_key_from_its_making_to_its_end(file: Path) -> None:
    made, told = run(
        *(file, "new", "ci", "--scope", "infer", "--scope", "publish", "--tasks", "team-*"),
        *("--images-per-second", "20", "--images-at-once", "64", "--expires", "90d"),
    )
    assert re.fullmatch(r"facet_[0-9a-f]{12}_[A-Za-z0-9_-]{43}\n", made)  # alone, for $(...)
    assert "not shown again" in told
    caller = Keyring(file).caller(f"Bearer {made.strip()}")
    assert (caller.name, caller.scopes, caller.patterns) == (
        "ci",
        {"infer", "publish"},
        ("team-*",),
    )
    listed, _ = run(file, "list")
    for word in ("ci", "infer publish", "team-*", "images/s 20", "at once 64", "expires 20"):
        assert word in listed
    assert made.strip() not in listed + told
    assert "is revoked" in run(file, "revoke", "ci")[0]
    with pytest.raises(Unauthorized):
        Keyring(file).caller(f"Bearer {made.strip()}")
    assert "revoked 20" in run(file, "list")[0]
    document = json.loads(run(file, "list", "--json")[0])
    assert "sha256" not in document["keys"][0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("new", "a b", "--scope", "infer"), "name: string should match pattern"),
        (("new", "a", "--scope", "all"), "scopes.0: input should be 'infer'"),
        (("new", "a", "--scope", "infer", "--expires", "soon"), "expires: expected 12h"),
        (("new", "a", "--scope", "infer", "--expires", "2020-01-01"), "expires: expected a time"),
        (("new", "a", "--scope", "infer", "--images-per-second", "0"), "images_per_second: "),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(
    file: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in run(file, *arguments, code=2)[1]
    assert not file.exists()


def test_a_name_is_never_given_twice(file: Path) -> None:
    run(file, "new", "ci", "--scope", "infer")
    run(file, "revoke", "ci")
    assert "no key has had" in run(file, "new", "ci", "--scope", "infer", code=2)[1]
    assert "expected a key 'cd'" in run(file, "revoke", "cd", code=1)[1]


def test_permissions_stay(file: Path) -> None:
    run(file, "new", "ci", "--scope", "infer")
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    run(file, "new", "cd", "--scope", "infer")
    assert file.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in file.parent.iterdir()] == ["keys.json"]


def test_a_file_that_is_none_of_keys_is_left_alone(file: Path) -> None:
    file.write_text("{}]")
    assert "expected keys" in run(file, "new", "ci", "--scope", "infer", code=2)[1]
    assert file.read_text() == "{}]"
