"""How commands end."""

import pytest
import typer

from facet_vision.common.errors import UsageError
from facet_vision.common.exits import ExitCode
from facet_vision.common.terminal import one_sentence
from facet_vision.prompts_store import StoreError


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (StoreError("store: gone"), ExitCode.FAILED, 1),
        (StoreError("store: gone"), ExitCode.USAGE, 2),
        (UsageError("seeds: none"), ExitCode.FAILED, 2),
        (PermissionError(13, "Permission denied", "x"), ExitCode.FAILED, 1),
    ],
)
def test_an_error_of_ours_is_a_sentence_and_a_code(
    error: Exception, code: ExitCode, expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, one_sentence("push", code):
        raise error
    assert ended.value.exit_code == expected
    assert capsys.readouterr().err == f"facet push: {error}\n"


@pytest.mark.parametrize("error", [KeyError("x"), BrokenPipeError(32, "Broken pipe")])
def test_others_pass(error: Exception) -> None:
    """A reader that ends early, as `head` does, is none; a fault of ours shows where it is."""
    with pytest.raises(type(error)), one_sentence("push"):
        raise error
