"""The command `facet backbones`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .exits import ExitCode
from .terminal import complain

if TYPE_CHECKING:
    from facet_vision.backbone.supported import Supported


def backbones(
    pattern: Annotated[
        str, typer.Argument(help="Part of the names, or a pattern with * and ?, quoted.")
    ] = "*",
    table: Annotated[
        bool, typer.Option("--table", help="Print how many names each family has, as Markdown.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document.")] = False,
) -> None:
    """List the names that --backbone takes, with family and image size.

    A task on a network of "heads alone" is a head on its features, without prompts or adaptations.
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
                "prompts": each.prompts,
            }
            for each in found
        ]
        typer.echo(json.dumps({"backbones": listed}, indent=2))
        return
    if not found:
        complain(f"facet backbones: expected a part of a supported name, found {pattern!r}")
        raise typer.Exit(ExitCode.FAILED)
    if table:
        typer.echo("\n".join(_table(found)))
        return
    width, of_family = (
        max(len(name) for name in names)
        for names in zip(*((each.name, f"{each.family:<9}") for each in found), strict=True)
    )
    for each in found:
        height, length = each.image_size
        more = ("" if each.prompts else "  heads alone") + (
            "" if each.pretrained else "  no weights"
        )
        typer.echo(f"{each.name:<{width}}  {each.family:<{of_family}}  {height}x{length}{more}")


def _table(found: Sequence[Supported]) -> Iterator[str]:
    """Yield a table's lines: families with prompts, then the others in one row each."""
    yield "| family | names | of them with weights | a task may have |"
    yield "| --- | --- | --- | --- |"
    names = Counter((each.prompts, each.family) for each in found)
    with_weights = Counter((each.prompts, each.family) for each in found if each.pretrained)
    for (prompts, family), count in sorted(names.items(), key=lambda item: not item[0][0]):
        has = "prompts, adaptations, a head" if prompts else "a head"
        yield f"| {family} | {count} | {with_weights[prompts, family]} | {has} |"
