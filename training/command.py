"""The command `facet train`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facet_vision.common.exits import ExitCode
from facet_vision.common.flags import with_options
from facet_vision.common.places import check_out
from facet_vision.common.terminal import one_sentence
from facet_vision.prompts_store.metrics import HELD_OUT_IMAGES, metric_words, ranked

from .recipe import Recipe

# torch and timm take seconds to import: only the functions that need them do so
if TYPE_CHECKING:
    from facet_vision.backbone import Backbone
    from facet_vision.prompts_store import TaskFile
    from facet_vision.training.data.datasets import TaskData
    from facet_vision.training.fitting.progress import Told
    from facet_vision.training.fitting.run_folder import RunFolder
    from facet_vision.training.output.checkpoints import Checkpoint
    from facet_vision.training.tuning.trials import TrialResults


@with_options(Recipe, arguments={"data"})
def train(
    given: dict[str, Any],
    out: Annotated[Path, typer.Option(help="Task file or checkpoint to write.")],
    recipe: Annotated[
        Path | None, typer.Option(help="TOML file of the options below; flags win over it.")
    ] = None,
    samples: Annotated[
        Path | None, typer.Option(help="Folder for a few held-out images of the task.")
    ] = None,
    embed_samples: Annotated[
        int,
        typer.Option(
            min=0,
            max=8,
            help="So many held-out images go into the task file, small, for people who look at the "
            "task: whoever gets the file or may ask the task can see them.",
        ),
    ] = 0,
    run: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps the run: its log, and the state from which the same command "
            "continues after a kill."
        ),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Log for TensorBoard in that folder as well.")
    ] = False,
    budget: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="With --method auto: seconds for trying methods on a validation part and for the "
            "final training with the best; 300 unless given.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="JSON file for a report: accuracy with its interval, confusion, images that are "
            "wrong, doubtful labels, learning curve."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    json_progress: Annotated[
        bool,
        typer.Option("--json-progress", help="Write progress and notes as JSON lines on stderr."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as a JSON document.")
    ] = False,
) -> None:
    """Train a task on labelled images and write its task file.

    A method that cannot be served from the shared backbone writes a checkpoint.
    """
    told = _told(json_progress)
    # Before data and backbone are loaded, which can take minutes: mistakes are reported at once.
    with one_sentence("train", ExitCode.USAGE):
        tried = _recipes(recipe, given, budget)
        for path in (out, report):
            if path is not None:
                check_out(path)
        _check_embedding(embed_samples, tried)
        run_folder = _run_folder(run, tensorboard, told)
    with one_sentence("train"):
        task = _run(tried, out, samples, embed_samples, report, device, run_folder, told, budget)
        text = json.dumps(document(task, out), indent=2, ensure_ascii=False)
        typer.echo(text if as_json else summary(task, out))


def _told(as_json: bool) -> Told:
    if as_json:
        from facet_vision.training.fitting.json_progress import JsonProgress

        return JsonProgress(partial(typer.echo, err=True))
    from rich.console import Console

    from facet_vision.training.fitting.progress import ConsoleProgress

    return ConsoleProgress(Console(stderr=True))


def _recipes(file: Path | None, given: dict[str, Any], budget: float | None) -> list[Recipe]:
    """Return the recipe to train by, or those of all methods that are to be tried."""
    from facet_vision.training.tuning.auto import is_auto, recipes_of
    from facet_vision.training.tuning.search import candidates

    from .errors import TrainingError
    from .new_recipe import new_recipe

    if is_auto(file, given):
        return recipes_of(new_recipe, file, given)
    if budget is not None:
        raise TrainingError(f"budget: expected no value without --method auto, found {budget:g}")
    recipe = new_recipe(file, **given)
    if recipe.search is not None:
        candidates(recipe)  # raises where it is no grid
    return [recipe]


def _check_embedding(count: int, recipes: list[Recipe]) -> None:
    """Refuse samples in the file of a method that writes no task file."""
    from .errors import TrainingError
    from .methods import find

    for recipe in recipes:
        if count and not find(recipe.method).served:
            raise TrainingError(
                f"embed_samples: expected none of a method that writes a checkpoint, found {count} "
                f"with {recipe.method}"
            )


def _run(
    recipes: list[Recipe],
    out: Path,
    samples: Path | None,
    embed_samples: int,
    report: Path | None,
    device: str,
    run: RunFolder | None,
    told: Told,
    budget: float | None,
) -> TaskFile | Checkpoint:
    from facet_vision.training.data.datasets import balance
    from facet_vision.training.data.reading import read_data
    from facet_vision.training.data.remarks import remarks
    from facet_vision.training.load_cache import load_for
    from facet_vision.training.output.checkpoints import Checkpoint
    from facet_vision.training.output.samples import save_samples, with_samples

    from .train import train_recorded

    told.phase("reading")
    recipe, *others = recipes
    data = read_data(recipe)
    for sentence in remarks(data):
        told.note(sentence, warning=True)
    for line in balance(data):
        told.note(line)
    network = load_for(recipe, device)
    if network.resampled:
        told.note(f"{network.name}: {network.resampled}")
    if others:
        recipe = _chosen(network, recipes, run, told, budget)
    recipe = _searched(network, recipe, run, told)
    with told.training(recipe, len(data.train)) as on_step:
        task, records = train_recorded(network, data, recipe, on_step, run)
    if not isinstance(task, Checkpoint):
        task = with_samples(task, data, embed_samples)
    task.save(out)
    if samples is not None:
        save_samples(data, samples)
    if report is not None:
        told.phase("measuring")
        _write_report(report, task, out, network, data, records, recipe.seed)
    return task


def _write_report(
    path: Path,
    task: TaskFile | Checkpoint,
    out: Path,
    network: Backbone,
    data: TaskData,
    records: list[dict[str, float]],
    seed: int,
) -> None:
    from facet_vision.prompts_store import durable
    from facet_vision.training.output.report import report

    document = report(task, out, network, data, records, seed)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    durable.replace(path, text.encode())


def summary(task: TaskFile | Checkpoint, out: Path) -> str:
    """Return what was reached and where it was written, for people."""
    manifest = task.manifest
    reached = _reached(ranked(manifest.metrics, manifest.activation))
    return (
        f"{manifest.task}: {reached} ({manifest.method}, {manifest.backbone})\n"
        f"wrote {out} ({out.stat().st_size / 1000:.0f} kB){_not_served(task)}"
    )


def document(task: TaskFile | Checkpoint, out: Path) -> dict[str, Any]:
    """Return what was reached and where it was written, for programs."""
    from facet_vision.training.output.checkpoints import Checkpoint

    manifest = task.manifest
    fields = manifest.document()
    names = (
        *("task", "method", "backbone", "fingerprint", "labels", "data", "recipe"),
        *("temperature", "threshold", "class_thresholds"),
    )
    return {
        "file": str(out),
        "size": out.stat().st_size,
        "served": not isinstance(task, Checkpoint),
        **{name: fields[name] for name in names if name in fields},
        "metrics": ranked(manifest.metrics, manifest.activation),
    }


def _reached(metrics: Mapping[str, float]) -> str:
    """Return the metrics on held-out images, then the best epoch's on the validation part."""
    names = {name: metric_words(name) for name in metrics if name != HELD_OUT_IMAGES}
    validation = [
        f"{words} {metrics[name]:.3f}"
        for name, words in names.items()
        if name.startswith("validation")
    ]
    held_out = [
        f"{words} {metrics[name]:.3f}"
        for name, words in names.items()
        if not name.startswith("validation")
    ]
    return ", ".join(
        [f"{', '.join(held_out)} on {metrics['held_out_images']:.0f} held-out images", *validation]
    )


def _not_served(task: TaskFile | Checkpoint) -> str:
    from facet_vision.training.output.checkpoints import Checkpoint

    return (
        ", a checkpoint that cannot be served from the shared backbone"
        if isinstance(task, Checkpoint)
        else ""
    )


def _run_folder(folder: Path | None, tensorboard: bool, told: Told) -> RunFolder | None:
    from facet_vision.training.fitting.run_folder import RunFolder

    from .errors import TrainingError

    if folder is not None:
        return RunFolder(folder, tensorboard, report=told.note)
    if tensorboard:
        raise TrainingError(
            "tensorboard: expected --run FOLDER to write the events into, found none"
        )
    return None


def _chosen(
    network: Backbone,
    recipes: list[Recipe],
    run: RunFolder | None,
    told: Told,
    budget: float | None,
) -> Recipe:
    """Try every method on the validation part; finished trials are kept beside the run."""
    from facet_vision.training.tuning.auto import DEFAULT_BUDGET, choose_method

    seconds = DEFAULT_BUDGET if budget is None else budget
    trials = _trials(network, recipes[0], run)
    return choose_method(recipes, trials, told.note, seconds, on_trial=told.trial)


def _searched(network: Backbone, recipe: Recipe, run: RunFolder | None, told: Told) -> Recipe:
    """Run the search that the recipe asks for; finished trials are kept beside the run."""
    from facet_vision.training.tuning.trials import choose

    if recipe.search is None:
        return recipe
    return choose(recipe, _trials(network, recipe, run), told.note)


def _trials(network: Backbone, recipe: Recipe, run: RunFolder | None) -> TrialResults:
    from facet_vision.training.data.reading import read_data
    from facet_vision.training.tuning.trials import TrialResults

    from .results import Results

    data = read_data(recipe.model_copy(update={"measure_on": "validation"}))
    return TrialResults(network, data, None if run is None else Results(run.beside("trials.jsonl")))
