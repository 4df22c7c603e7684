"""The command `facet serve`."""

import os
from typing import Any

import typer

from facet_vision.common.exits import ExitCode
from facet_vision.common.flags import with_options
from facet_vision.common.terminal import one_sentence

from .settings import Settings, read_settings

SPIN_COUNT = "10000"
"""How often the threads of a forward look for their next piece of work before they sleep.

OpenMP reads it when torch is loaded. It is long enough for the pause between two operations, about
0.1 ms, and no longer, since others need the cores.
"""


@with_options(Settings)
def serve(given: dict[str, Any]) -> None:
    """Serve every task of a store from one backbone, over HTTP.

    Each option is also an environment variable: FACET_PORT is --port. The flag wins.
    """
    # Before torch is imported, which takes seconds: a bad flag is reported at once.
    with one_sentence("serve", ExitCode.USAGE):
        settings = read_settings(given)
    with one_sentence("serve"):
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
        from .server import run

        run(settings, announce=lambda text: typer.echo(text))
