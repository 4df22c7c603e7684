"""The command `facet import`: task files of what other tools have trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facet_vision.common.places import check_out
from facet_vision.common.terminal import one_sentence, tell_resampled

# torch and timm take seconds to import: only the functions that need them do so
if TYPE_CHECKING:
    from facet_vision.prompts_store import TaskFile

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def import_() -> None:
    """Make a task file of what another tool has trained."""


@app.command()
def peft(
    folder: Annotated[
        Path, typer.Argument(help="Folder of adapter_config.json and adapter_model.safetensors.")
    ],
    backbone: Annotated[
        str, typer.Option(help="The base that the adapter was trained on, as for facet train.")
    ],
    task: Annotated[str, typer.Option(help="Name of the task.")],
    out: Annotated[Path, typer.Option(help="Task file to write.")],
    labels: Annotated[
        str | None,
        typer.Option(
            help="Names of the head's outputs in their order, with commas between, or a file with "
            "one in each line.",
            show_default="id2label of a config.json in the folder",
        ),
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Local weights of the backbone.")] = None,
    multi_label: Annotated[
        bool | None,
        typer.Option(
            "--multi-label/--single-label",
            help="Whether an image may have several labels.",
            show_default="what that file says, else one",
        ),
    ] = None,
) -> None:
    """Make a task file of a LoRA adapter of PEFT with its classification head.

    The adapter does not tell the weights of its base. Measure the task on your images.
    """
    with one_sentence("import peft"):
        check_out(out)
        made = _made(folder, backbone, task, labels, checkpoint, multi_label)
        made.save(out)
    typer.echo(_summary(made, out))
    base = made.manifest.recipe.get("base_model_name_or_path") or "has no name"
    typer.secho(
        f"PEFT's files do not tell the weights of their base ({base}), so they could not be "
        f"compared with those of {backbone}; measure the task: facet evaluate {out} DATA --all",
        fg="yellow",
        err=True,
    )


def _made(
    folder: Path,
    backbone: str,
    task: str,
    labels: str | None,
    checkpoint: Path | None,
    multi_label: bool | None,
) -> TaskFile:
    """Read what can be refused first, then load the backbone."""
    from dataclasses import replace

    from facet_vision.backbone import load

    from .labels import given_labels, labels_beside
    from .peft import read_adapter, to_task

    adapter = read_adapter(folder)
    named = labels_beside(folder) if labels is None else given_labels(labels)
    if multi_label is not None:
        named = replace(named, several=multi_label)
    network = tell_resampled(load(backbone, checkpoint=checkpoint, device="cpu", dtype="float32"))
    own_weights = checkpoint is not None
    return to_task(adapter, network, task=task, labels=named, own_weights=own_weights)


def _summary(made: TaskFile, out: Path) -> str:
    manifest = made.manifest
    return (
        f"{manifest.task}: {len(manifest.labels)} labels ({manifest.method}, {manifest.backbone})\n"
        f"wrote {out} ({out.stat().st_size / 1000:.0f} kB)"
    )
