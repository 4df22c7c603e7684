"""What the commands that call a server have in common."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facet_vision.common.terminal import one_sentence

if TYPE_CHECKING:
    from .client import Client

URL = "http://127.0.0.1:8000"

Server = Annotated[str, typer.Option("--server", "--to", help="Address of the server.")]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="FACET_KEY",
        help="Key to show to the server; the variable keeps it out of lists of processes.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON document.")]


@contextmanager
def connected(url: str, command: str, key: str | None) -> Iterator[Client]:
    """Give a client; a refusal ends the command in one sentence."""
    from .client import Client
    from .exchange import Retries

    # A person who has mistyped an address should know at once. No key is "", for the option has
    # read the variable already.
    retries = Retries(connect=False)
    with one_sentence(command), Client(url, key=key or "", retries=retries) as client:
        yield client


def print_json(document: Any) -> None:
    """Print a document as people and programs can read it."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
