"""The `facet` command as a whole."""

import subprocess
import sys

from typer.testing import CliRunner

from facet_vision.cli import app


def test_every_command_explains_itself() -> None:
    listed = CliRunner().invoke(app, ["--help"]).output
    for name in ("serve", "train", "push", "predict", "tasks", "pretrain", "bench"):
        assert name in listed
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0


def test_starting_it_does_not_load_torch() -> None:
    """A client's command should answer at once; torch takes seconds to import."""
    code = "import sys, facet_vision.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
