"""`facet train`: from labelled images to a task file, or to a checkpoint of a method that cannot be served."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facet_vision.common.terminal import one_sentence

# torch and timm take seconds to import: only the functions that need them do so
if TYPE_CHECKING:
    from rich.console import Console

    from facet_vision.backbone import Backbone
    from facet_vision.prompts_store import TaskFile
    from facet_vision.training.data.datasets import TaskData
    from facet_vision.training.fitting.run_folder import RunFolder
    from facet_vision.training.output.checkpoints import Checkpoint

    from .recipe import Recipe


METHOD_HELP = """vpt-deep (the default), vpt-shallow, linear or mlp-3, which can be served; partial-1, bias, adapter,
lora, sidetune or full, which write a checkpoint. Other numbers are layers."""
DATA_HELP = """A folder of class folders, a table (.csv, .tsv, .parquet), torchvision:NAME:FOLDER, hf:NAME, hf:FOLDER,
digits, or a demo set."""
AUGMENT_HELP = """Training images: none (as served, the default), vtab (plain resize), fgvc (random crop and flip) or
timm. Held-out images are always preprocessed as served."""
RUN_HELP = """Folder that keeps the run: its log, and what lets the same command go on where a kill cut it off."""
PATIENCE_HELP = """Stop after so many epochs without a gain on the validation part, and keep the best one's weights."""
SEARCH_HELP = """Choose on the validation part first: paper (its grid of rates and decays), or such as "lr=0.1,0.05
weight_decay=0.01,0"."""
NOT_IN_RECIPE = frozenset({"out", "recipe", "samples", "device", "run", "tensorboard"})


def train(
    out: Annotated[Path, typer.Option(help="Task file or checkpoint to write.")],
    data: Annotated[str | None, typer.Argument(help=DATA_HELP)] = None,
    task: Annotated[str | None, typer.Option(help="Name of the task.")] = None,
    method: Annotated[str | None, typer.Option(help=METHOD_HELP)] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="TOML file of these options; flags win over it.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="facet-tiny (the default) or a timm model.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Local weights of the backbone.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Prompt tokens per layer (10).")] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training images (100).")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per step (64).")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32 (the default), bfloat16 or auto.")
    ] = None,
    optimizer: Annotated[str | None, typer.Option(help="adamw (the default) or sgd.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate, for batches of 256.")] = None,
    head_lr: Annotated[
        float | None, typer.Option(help="The head's learning rate, if it differs.")
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="Weight decay of what is trained.")
    ] = None,
    search: Annotated[str | None, typer.Option(help=SEARCH_HELP)] = None,
    warmup: Annotated[
        float | None, typer.Option(help="Share of the steps in which the rate rises.")
    ] = None,
    patience: Annotated[int | None, typer.Option(help=PATIENCE_HELP)] = None,
    dropout: Annotated[
        float | None, typer.Option(help="mlp-k, full: share of activations dropped.")
    ] = None,
    reduction: Annotated[
        int | None, typer.Option(help="adapter: narrower than its layer by (8).")
    ] = None,
    adapter_init: Annotated[
        str | None, typer.Option(help="adapter: random (the default) or zero.")
    ] = None,
    rank: Annotated[int | None, typer.Option(help="lora: rank of what is added (8).")] = None,
    alpha: Annotated[float | None, typer.Option(help="lora: scale times the rank (16).")] = None,
    lora_targets: Annotated[
        str | None, typer.Option(help="lora: qkv (the default), proj or qkv+proj.")
    ] = None,
    side_weights: Annotated[
        Path | None, typer.Option(help="sidetune: local AlexNet weights.")
    ] = None,
    image_column: Annotated[
        str | None, typer.Option(help="Table: column of images (image).")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="Table: column of labels (label).")
    ] = None,
    split_column: Annotated[
        str | None, typer.Option(help="Table: column of parts (split, if there is one).")
    ] = None,
    label_separator: Annotated[
        str | None, typer.Option(help="Between labels in a cell; makes it multi-label.")
    ] = None,
    shots: Annotated[
        int | None, typer.Option(help="Learn from so many images of each class.")
    ] = None,
    fraction: Annotated[
        float | None, typer.Option(help="Learn from this share of each class.")
    ] = None,
    measure_on: Annotated[
        str | None, typer.Option(help="test (the default) or validation.")
    ] = None,
    validation: Annotated[
        float | None, typer.Option(help="Validation part: share, or number of images (0.2).")
    ] = None,
    augment: Annotated[str | None, typer.Option(help=AUGMENT_HELP)] = None,
    crop_scale: Annotated[
        float | None, typer.Option(help="timm: least share of the area in a crop (0.08).")
    ] = None,
    color_jitter: Annotated[
        float | None, typer.Option(help="timm: strength of changes of colour (0.4).")
    ] = None,
    auto_augment: Annotated[
        str | None, typer.Option(help="timm: a policy, such as rand-m9-mstd0.5.")
    ] = None,
    random_erase: Annotated[
        float | None, typer.Option(help="timm: probability of an erased rectangle.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Fixes initial values, order and split.")] = None,
    holdout: Annotated[
        float | None, typer.Option(help="Share to hold out of a source without test part.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="Free text for the task file.")] = None,
    samples: Annotated[Path | None, typer.Option(help="Folder for three held-out images.")] = None,
    run: Annotated[Path | None, typer.Option(help=RUN_HELP)] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Log for TensorBoard in that folder too.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train a task on labelled images and write its task file, or a checkpoint for methods that cannot be served."""
    flags = locals()  # before anything else is assigned: the options by name
    from rich.console import Console

    given = {
        name: value
        for name, value in flags.items()
        if name not in NOT_IN_RECIPE and value is not None
    }
    with one_sentence("train"):
        console = Console(stderr=True)
        _run(given, recipe, out, samples, device, _run_folder(run, tensorboard, console), console)


def _run(
    given: dict[str, Any],
    file: Path | None,
    out: Path,
    samples: Path | None,
    device: str,
    run: RunFolder | None,
    console: Console,
) -> None:
    from facet_vision.backbone import load as load_backbone
    from facet_vision.training.data.datasets import balance
    from facet_vision.training.data.reading import read_data
    from facet_vision.training.output.samples import save_samples

    recipe = resolve(given, file)
    _check_out(out)
    data = read_data(recipe)
    for sentence in data.skipped:
        console.print(
            f"skipped {sentence}", style="yellow", markup=False, highlight=False, soft_wrap=True
        )
    for line in balance(data):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    network = load_backbone(recipe.backbone, checkpoint=recipe.checkpoint, device=device)
    recipe = _searched(network, recipe, run, console)
    task = _train(network, data, recipe, run, console)
    task.save(out)
    if samples is not None:
        save_samples(data, samples)
    typer.echo(summary(task, out))


def resolve(given: dict[str, Any], file: Path | None) -> Recipe:
    """The recipe: what is given wins over the file, the file over the method's defaults."""
    from facet_vision.prompts_store import check_task_name

    from .methods import find
    from .recipe import Recipe, make_recipe, read_recipe

    values = ({} if file is None else read_recipe(file)) | given
    method = find(values.get("method", Recipe.model_fields["method"].default))
    recipe = make_recipe(values, method.defaults)
    check_task_name(recipe.task)
    _check_used(given, recipe, method.uses)
    return recipe


def _check_used(given: dict[str, Any], recipe: Recipe, uses: frozenset[str]) -> None:
    """Refuse a flag that nothing reads; a file may serve several methods."""
    from .errors import TrainingError

    unread = recipe.unread(uses)
    for name in sorted(unread.keys() & given.keys()):
        raise TrainingError(
            f"{name}: expected no value, which {unread[name]} does not use, found {given[name]!r}"
        )


def summary(task: TaskFile | Checkpoint, out: Path) -> str:
    """What was reached and where it lies, for people."""
    manifest = task.manifest
    return (
        f"{manifest.task}: {_reached(manifest.metrics)} ({manifest.method}, {manifest.backbone})\n"
        f"wrote {out} ({out.stat().st_size / 1000:.0f} kB){_not_served(task)}"
    )


def _reached(metrics: Mapping[str, float]) -> str:
    """Those on the held-out images, their number, and what the best epoch had on the validation part."""
    names = {
        name: name.replace("_", " ").replace("f1", "F1")
        for name in metrics
        if name != "held_out_images"
    }
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


def _run_folder(folder: Path | None, tensorboard: bool, console: Console) -> RunFolder | None:
    from facet_vision.training.fitting.run_folder import RunFolder

    from .errors import TrainingError

    if folder is not None:
        report = partial(console.print, markup=False, highlight=False, soft_wrap=True)
        return RunFolder(folder, tensorboard, report=report)
    if tensorboard:
        raise TrainingError(
            "tensorboard: expected --run FOLDER to write the events into, found none"
        )
    return None


def _searched(network: Backbone, recipe: Recipe, run: RunFolder | None, console: Console) -> Recipe:
    """The recipe after the search that it asks for; finished trials are kept beside the run."""
    from facet_vision.training.data.reading import read_data
    from facet_vision.training.tuning.trials import Kept, choose

    from .results import Results

    if recipe.search is None:
        return recipe
    data = read_data(recipe.model_copy(update={"measure_on": "validation"}))
    results = None if run is None else Results(run.beside("trials.jsonl"))
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    return choose(recipe, Kept(network, data, results), say)


def _train(
    network: Backbone, data: TaskData, recipe: Recipe, run: RunFolder | None, console: Console
) -> TaskFile | Checkpoint:
    from facet_vision.training.fitting.progress import training_progress

    from .train import train_task

    with training_progress(console, recipe.task, recipe.epochs, len(data.train)) as on_step:
        return train_task(network, data, recipe, on_step, run)


def _check_out(out: Path) -> None:
    """Find out before the training that the result can be written."""
    from .errors import TrainingError

    if out.is_dir() or not out.absolute().parent.is_dir():
        raise TrainingError(f"out: expected a file name in a folder that exists, found {out}")
