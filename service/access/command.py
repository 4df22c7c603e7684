"""The command `facet keys`: make, list and revoke the keys in a server's file of keys."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from pydantic import ValidationError

from facet_vision.common.errors import UsageError
from facet_vision.common.exits import ExitCode
from facet_vision.common.flags import first_fault
from facet_vision.common.terminal import one_sentence

from .caller import Scope
from .key import Key, KeyFile, new_key
from .keyring import LOOK_SECONDS
from .source import KeysError, changing, read, write

app = typer.Typer(no_args_is_help=True, add_completion=False)

File = Annotated[
    Path,
    typer.Option(
        "--file", envvar="FACET_KEYS_FILE", help="The server's file of keys.", show_default=False
    ),
]

_SPAN = re.compile(r"([1-9][0-9]{0,5})([hd])")


@app.callback()
def keys() -> None:
    """Make, list and revoke the keys of a server."""


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Of its holder; stands in histories and logs.")],
    file: File,
    scope: Annotated[
        list[str],
        typer.Option(
            "--scope",
            help="What it allows: infer (ask tasks), publish (change tasks), admin (operate the "
            "server); may be repeated.",
            show_default=False,
        ),
    ],
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            "--tasks",
            help="Pattern of tasks for which it holds, such as 'team-a-*'; may be repeated.",
        ),
    ] = None,
    images_per_second: Annotated[
        float | None, typer.Option(help="Most images x tasks a second; unlimited if not given.")
    ] = None,
    burst: Annotated[
        int | None,
        typer.Option(help="Most of them at once after a pause; by default a second's worth."),
    ] = None,
    images_at_once: Annotated[
        int | None, typer.Option(help="Most images x tasks under way; unlimited if not given.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="When it ends: 12h, 90d, or a date such as 2027-06-30.")
    ] = None,
) -> None:
    """Make a key and print its secret, which is shown this once and kept nowhere."""
    with one_sentence("keys new", ExitCode.USAGE), changing(file):
        known = read(file) if file.exists() else KeyFile()
        if any(key.name == name for key in known.keys):
            raise UsageError(
                f"name: expected one that no key has had, found {name!r}, which stands in the file"
            )
        now = datetime.now(UTC).replace(microsecond=0)
        try:
            key, text = new_key(
                name,
                cast(list[Scope], list(dict.fromkeys(scope))),  # checked with the rest
                now,
                tasks=tasks or ("*",),
                images_per_second=images_per_second,
                burst=burst,
                images_at_once=images_at_once,
                expires=_end(expires, now),
            )
        except ValidationError as error:
            raise UsageError(first_fault(error)) from None
        write(file, KeyFile(keys=(*known.keys, key)))
    typer.echo(text)
    typer.echo(f"{_described(key)}; this secret is not shown again", err=True)


@app.command("list")
def list_keys(
    file: File,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document.")] = False,
) -> None:
    """List the keys, those included that hold no more."""
    with one_sentence("keys list"):
        known = read(file)
    if as_json:
        shown = [key.model_dump(mode="json", exclude={"sha256"}) for key in known.keys]
        typer.echo(json.dumps({"keys": shown}, indent=2))
        return
    for key in known.keys:
        typer.echo(_described(key))


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="Name or id of the key.")],
    file: File,
) -> None:
    """Revoke a key; a running server refuses it within seconds."""
    with one_sentence("keys revoke"), changing(file):
        known = read(file)
        found = [key for key in known.keys if name in (key.name, key.id)]
        if not found:
            raise KeysError(f"{file}: expected a key {name!r}, found none")
        changed = [_revoked(key) if key in found else key for key in known.keys]
        write(file, KeyFile(keys=tuple(changed)))
    typer.echo(f"{found[0].name} is revoked; a running server knows within {LOOK_SECONDS:g} s")


def _revoked(key: Key) -> Key:
    if key.revoked is not None:
        return key
    return key.model_copy(update={"revoked": datetime.now(UTC).replace(microsecond=0)})


def _end(text: str | None, now: datetime) -> datetime | None:
    """Read when a key ends.

    Raises:
        UsageError: it is no time to come.
    """
    if text is None:
        return None
    if span := _SPAN.fullmatch(text):
        hours = int(span[1]) * (24 if span[2] == "d" else 1)
        return now + timedelta(hours=hours)
    try:
        end = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"expires: expected 12h, 90d or a date, found {text!r}") from None
    end = end if end.tzinfo else end.replace(tzinfo=UTC)
    if end <= now:
        raise UsageError(f"expires: expected a time to come, found {text!r}")
    return end


def _described(key: Key) -> str:
    limits: dict[str, Any] = {
        "images/s": key.images_per_second,
        "burst": key.burst,
        "at once": key.images_at_once,
        "expires": key.expires,
        "revoked": key.revoked,
    }
    told = [f"{what} {value}" for what, value in limits.items() if value is not None]
    parts = [f"{key.name} ({key.id})", " ".join(key.scopes), f"tasks {' '.join(key.tasks)}", *told]
    return ", ".join(parts)
