"""One run of a study: the missing trainings, then tables and figure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from facet_vision.backbone import Backbone
from facet_vision.common.figures import save
from facet_vision.prompts_store import durable
from facet_vision.training.data.reading import read_training_part
from facet_vision.training.errors import TrainingError
from facet_vision.training.experiments.grids import ends
from facet_vision.training.experiments.outcomes import Outcomes
from facet_vision.training.experiments.protocol import Protocol, opened
from facet_vision.training.experiments.runs import Options, finals, logged, remark, train_missing
from facet_vision.training.identity import digest
from facet_vision.training.load_cache import LoadCache
from facet_vision.training.locking import locked
from facet_vision.training.results import Results
from facet_vision.training.tuning.search import chosen_values

from .figure import draw
from .plan import Place, StudyPlan, distinct, places_of, protocol_of
from .report import About, CellResult, as_json, markdown, rows


def run_study(
    plan: StudyPlan, out: Path, options: Options, say: Callable[[str], None]
) -> tuple[list[Path], int]:
    """Train what is missing, then write NAME.md, NAME.json and NAME.png.

    They are written beside NAME.jsonl, the finished trainings, and NAME.protocol.json.

    Args:
        out: folder; created where it is missing.
        say: receives one line about each training, and about what deserves attention.

    Returns:
        The files, and how many final trainings are missing; the next run tries these again.

    Raises:
        TrainingError: the plan is not usable, the folder has trainings by another protocol or is
            in use, or no training succeeded.
    """
    cache, name = LoadCache(options.device), plan.study.name
    contents = {source: read_training_part(plan.common(source)) for source in plan.data}
    places, left_out = places_of(plan, contents, cache.backbone)
    with ExitStack() as stack:
        if options.train:
            stack.enter_context(locked(out, "out"))
            say = stack.enter_context(logged(say, out / f"{name}.log"))
        said = remark(contents, say)
        for sentence in left_out:
            say(sentence)
        outcomes = Outcomes(Results(out / f"{name}.jsonl"))
        images = {source: digest(data) for source, data in contents.items()}
        found = protocol_of(plan, places, images)
        protocol = opened(out / f"{name}.protocol.json", found, outcomes, extend=options.train)
        if options.train:
            backbones = [cache.backbone(place.entry.recipe) for place in places]
            largest = max(backbones, key=_parameters)
            train_missing(distinct(places), outcomes, largest, options, say, said)
        cells = [cell for place in places for cell in _cells(place, outcomes)]
        if not cells:
            raise TrainingError(f"study {name}: expected a training that succeeds, found none")
        say(f"writing the report, {out / name}.md")
        files = write(plan, cells, _about(plan, places, protocol, options.command), out)
    return files, len(places) * len(plan.seeds) - len(cells)


def _cells(place: Place, outcomes: Outcomes) -> Iterator[CellResult]:
    for recipe, choice, outcome in finals(place.entry, outcomes):
        yield CellResult(
            curve=place.point.curve,
            value=place.point.value,
            data=recipe.data,
            seed=recipe.seed,
            accuracy=outcome["score"],
            validation=choice.score,
            chosen={} if recipe.search is None else chosen_values(recipe),
            ends=ends(recipe),
            parameters=outcome["parameters"],
            seconds=outcome["seconds"],
        )


def _about(plan: StudyPlan, places: Sequence[Place], protocol: Protocol, command: str) -> About:
    # all entries have as many, but for those of methods without a gradient
    trials = max(len(place.entry.trials()) for place in places)
    return About(plan.data, plan.seeds, trials, protocol.digest, protocol.added, command)


def _parameters(backbone: Backbone) -> int:
    return sum(parameter.numel() for parameter in backbone.model.parameters())


def write(plan: StudyPlan, cells: Sequence[CellResult], about: About, out: Path) -> list[Path]:
    """Write tables, numbers and figure of finished cells into the folder."""
    study, found = plan.study, rows(cells, plan.data)
    table, numbers, figure = (out / f"{study.name}.{kind}" for kind in ("md", "json", "png"))
    durable.replace(table, markdown(study, found, about).encode())
    encoded = json.dumps(as_json(study, found, cells, about), indent=2) + "\n"
    durable.replace(numbers, encoded.encode())
    save(draw(study, found, plan.data), figure)
    return [table, numbers, figure]
