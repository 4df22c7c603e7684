"""A benchmark's result: Markdown for the terminal, JSON and figures for a folder."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facet_vision.bench.measuring.spread import Spread
from facet_vision.prompts_store import durable

Record = Mapping[str, Any]
"""One row of a table: plain values and spreads by name."""


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, and its text for a row."""

    title: str
    text: Callable[[Record], str]

    @classmethod
    def of(
        cls, key: str, title: str | None = None, digits: int = 2, scale: float = 1.0
    ) -> "Column":
        """Make the column of one value; numbers are shown with `digits`, times `scale`."""
        return cls(title or key, lambda record: _text(record.get(key), digits, scale))


@dataclass(frozen=True)
class Section:
    """A table with its heading, and sentences below it."""

    title: str
    records: Sequence[Record]
    columns: Sequence[Column]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """Return heading, table and notes."""
        table = [[column.title for column in self.columns], ["---"] * len(self.columns)]
        for record in self.records:
            table.append([column.text(record) for column in self.columns])
        lines = [f"## {self.title}", ""]
        lines += [f"| {' | '.join(cells)} |" for cells in table]
        lines += [f"\n{note}" for note in self.notes]
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """All results of one run of a benchmark.

    Attributes:
        name: the subcommand; files are named after it.
        parameters: the subcommand's options.
        environment: see `environment.environment`.
        figures: a function that draws to a path, by name.
    """

    name: str
    parameters: Mapping[str, Any]
    environment: Mapping[str, str]
    sections: Sequence[Section]
    figures: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)

    def markdown(self) -> str:
        """Return the whole report."""
        options = ", ".join(f"{key} {_listed(value)}" for key, value in self.parameters.items())
        machine = ", ".join(f"{key} {value}" for key, value in self.environment.items())
        head = f"# facet bench {self.name}\n\n{options}.\n\n{machine}."
        return "\n\n".join([head, *(section.markdown() for section in self.sections)])

    def to_json(self) -> str:
        """Return the whole report with all rounds."""
        sections = {section.title: section.records for section in self.sections}
        document = {
            "environment": self.environment,
            "parameters": self.parameters,
            "sections": sections,
        }
        return json.dumps(document, indent=2, default=_plain) + "\n"

    def write(self, folder: Path) -> None:
        """Write NAME.md, NAME.json and the figures into a folder that exists."""
        durable.replace(folder / f"{self.name}.md", (self.markdown() + "\n").encode())
        durable.replace(folder / f"{self.name}.json", self.to_json().encode())
        for name, draw in self.figures.items():
            draw(folder / f"{self.name}-{name}.png")


def _text(value: Any, digits: int, scale: float) -> str:
    if value is None:
        return ""
    if isinstance(value, Spread):
        return value.text(digits, scale)
    return f"{value * scale:.{digits}f}" if isinstance(value, float) else str(value)


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Spread):
        return value.to_json()
    return str(value)
