"""Rules of a fair search: equal numbers of trials, the same images for all entries."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from facet_vision.training.errors import TrainingError
from facet_vision.training.load_cache import DATA_FIELDS
from facet_vision.training.methods import find
from facet_vision.training.recipe import FITTING_FIELDS, Recipe
from facet_vision.training.tuning.search import candidates, grid_of

SPLIT_FIELDS = tuple(sorted(DATA_FIELDS - {"data", "seed", "measure_on"}))
"""Fields of a recipe that decide, with source and seed, which images are in which part."""


def check_grids(recipes: Mapping[str, Recipe], varied: Collection[str] = ()) -> None:
    """Check that nothing that is compared has more trials than another, or other images.

    Args:
        recipes: before the search, by name.
        varied: fields that are what is compared, so that they may differ.

    Raises:
        TrainingError: one has, or a grid is not usable.
    """
    for field in sorted(set(SPLIT_FIELDS) - set(varied)):
        readers = _readers(field, recipes)
        _check_equal(field, {name: getattr(recipe, field) for name, recipe in readers})
    trials = {
        name: 0 if recipe.search is None else len(candidates(recipe))
        for name, recipe in _readers("search", recipes)
    }
    _check_equal("trials of the search", trials)


def _readers(field: str, recipes: Mapping[str, Recipe]) -> Iterator[tuple[str, Recipe]]:
    """Yield the recipes that read a field: those without a gradient have nothing to search."""
    for name, recipe in recipes.items():
        if field not in FITTING_FIELDS or field in find(recipe.method).reads():
            yield name, recipe


def ends(recipe: Recipe) -> dict[str, str]:
    """Return the chosen values that lie at an end of their grid: lowest or highest, by name.

    Args:
        recipe: of a final training; it has the grid and what was chosen from it.
    """
    grid = {} if recipe.search is None else grid_of(recipe)
    found = {}
    for name, values in grid.items():
        by_end = {min(values): "lowest", max(values): "highest"}
        if len(by_end) > 1 and getattr(recipe, name) in by_end:
            found[name] = by_end[getattr(recipe, name)]
    return found


def _check_equal(what: str, found: Mapping[str, object]) -> None:
    if not found:
        return
    (first, expected), *others = found.items()
    for name, value in others:
        if value != expected:
            raise TrainingError(
                f"{what}: expected the same for all, found {expected} for {first} "
                f"and {value} for {name}"
            )
