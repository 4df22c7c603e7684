"""Options made of models: one source for names, types, texts and defaults."""

import inspect
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from pydantic import BaseModel, ByteSize, Field
from typer.testing import CliRunner

from facet_vision.bench import plans
from facet_vision.bench.command import app as bench
from facet_vision.cli import app as facet
from facet_vision.common.errors import UsageError
from facet_vision.common.flags import checked, with_options
from facet_vision.common.lazy import LazyCommand
from facet_vision.service.settings import Settings
from facet_vision.training.recipe import Recipe


class Cake(BaseModel):
    flour: Annotated[float, Field(gt=0)] = Field(0.5, description="Kilograms of flour.")
    eggs: int | None = Field(
        None, description="Number of eggs.", json_schema_extra={"panel": "Rich"}
    )
    kind: Literal["round", "square"] = Field("round", description="Shape.")
    sugar: bool = Field(True, description="Whether it is sweet.")
    memory: ByteSize | None = Field(None, description="Of the oven.")
    recipe: Path | None = Field(None, description="Where it is written.")
    name: str = Field(description="What it is called.")


def ask(*arguments: str, **options: Any) -> tuple[int, dict[str, Any], str]:
    """What a command is called with, and its help or complaint."""
    seen: dict[str, Any] = {}
    app = typer.Typer()

    @app.command()
    @with_options(Cake, **options)
    def bake(
        given: dict[str, Any], oven: Annotated[str, typer.Option(help="Which.")] = "old"
    ) -> None:
        """Bake."""
        seen.update(given, oven=oven)

    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "300"})
    return result.exit_code, seen, result.output


def test_only_what_is_given_is_passed_on() -> None:
    assert ask()[1] == {"oven": "old"}
    _, seen, _ = ask("--flour", "2", "--no-sugar", "--oven", "new", "--memory", "3MiB")
    assert seen == {"flour": 2.0, "sugar": False, "memory": "3MiB", "oven": "new"}


def test_help_is_the_models_own() -> None:
    _, _, text = ask("--help")
    for field in Cake.model_fields.values():
        assert field.description in text
    assert "round|square" in text
    assert "Rich" in text
    assert "0.5" in text


def test_fields_may_be_chosen_or_positional() -> None:
    assert ask("--flour", "2", only={"eggs"})[0] == 2
    assert ask("sponge", arguments={"name"})[1] == {"name": "sponge", "oven": "old"}


def test_the_terminal_reads_numbers_and_the_model_the_rest() -> None:
    assert ask("--eggs", "many")[0] == 2
    code, seen, _ = ask("--kind", "long", "--name", "x")
    assert code == 0
    with pytest.raises(
        UsageError, match=r"^kind: input should be 'round' or 'square', found 'long'$"
    ):
        checked(Cake, {"kind": seen["kind"], "name": "x"})
    assert checked(Cake, {"name": "x", "memory": "3KiB"}).memory == 3072


def options_of(app: typer.Typer, command: str) -> dict[str, Any]:
    group: Any = typer.main.get_command(app)
    found = group.commands[command]
    loaded = found.load() if isinstance(found, LazyCommand) else found
    return {str(option.name): option for option in loaded.params}


MODELS = {"serve": Settings, "train": Recipe}
BENCHES = {
    name.removesuffix("Plan").lower(): model
    for name, model in inspect.getmembers(plans, inspect.isclass)
    if name.endswith("Plan") and name not in ("Plan", "ServingPlan")
}


@pytest.mark.parametrize(
    ("app", "command", "model"),
    [(facet, command, model) for command, model in MODELS.items()]
    + [(bench, command, model) for command, model in BENCHES.items()],
)
def test_every_field_is_a_flag_with_its_own_description(
    app: typer.Typer, command: str, model: type[BaseModel]
) -> None:
    options = options_of(app, command)
    for name, field in model.model_fields.items():
        assert field.description
        assert options[name].help == field.description


@pytest.mark.parametrize("command", ["compare", "ablate"])
def test_reports_take_fields_of_a_recipe_with_their_descriptions(command: str) -> None:
    options = options_of(facet, command)
    shared = options.keys() & Recipe.model_fields.keys() - {"data", "method"}
    assert len(shared) >= 9
    for name in shared:
        assert options[name].help == Recipe.model_fields[name].description
