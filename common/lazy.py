"""Subcommands whose modules are imported when they are called.

Importing all of them to print a list of names would take longer than most commands run.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

PACKAGE = __name__.partition(".")[0]


class LazyCommand(TyperCommand):
    """The name and the one line of a subcommand, which stand in for it until it is called.

    Args:
        name: of the subcommand, and of its function.
        module: where that stands, without the package's name; a `typer.Typer` called `app` there is
            the subcommand instead.
        help: its first line; `tests/test_cli.py` compares it with the subcommand's own.
        panel: heading of its group in the help.
    """

    def __init__(self, name: str, module: str, help: str, panel: str) -> None:
        super().__init__(name, help=help, rich_help_panel=panel)
        self.module = module

    def load(self) -> Any:
        """Import the subcommand and return it as a command of its own."""
        home = import_module(f"{PACKAGE}.{self.module}")
        assert self.name is not None
        app = getattr(home, "app", None)
        if app is None:
            app = typer.Typer(add_completion=False)
            app.command()(getattr(home, self.name))
        command = typer.main.get_command(app)
        command.name = self.name
        return command


class LazyGroup(TyperGroup):
    """A group of such subcommands; a subclass lists them in `lazy`.

    Help and the completion of names see what stands in for a subcommand; calling it and completing
    its options see the subcommand itself.
    """

    lazy: ClassVar[tuple[LazyCommand, ...]]

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for command in self.lazy:
            self.add_command(command)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the name, the subcommand and its arguments."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, LazyCommand) else command, rest
