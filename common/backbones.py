"""The command `facet backbones`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .exits import ExitCode
from .terminal import complain


def backbones(
    pattern: Annotated[
        str, typer.Argument(help="Part of the names, or a pattern with * and ?, quoted.")
    ] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document.")] = False,
) -> None:
    """List the names that --backbone takes, with family and image size.

    Whether their weights are here already it does not tell; a name without any is for --checkpoint.
    """
    from facet_vision.backbone.supported import supported  # it imports torch, which takes seconds

    found = supported(pattern)
    if as_json:
        listed = [
            {
                "name": each.name,
                "family": each.family,
                "image_size": list(each.image_size),
                "pretrained": each.pretrained,
            }
            for each in found
        ]
        typer.echo(json.dumps({"backbones": listed}, indent=2))
        return
    if not found:
        complain(f"facet backbones: expected a part of a supported name, found {pattern!r}")
        raise typer.Exit(ExitCode.FAILED)
    width = max(len(each.name) for each in found)
    for each in found:
        height, length = each.image_size
        more = "" if each.pretrained else "  no weights"
        typer.echo(f"{each.name:<{width}}  {each.family:<9}  {height}x{length}{more}")
