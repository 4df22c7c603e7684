"""The command `facet evaluate`.

It stands above both rooms that it needs: `training` has images and measures, `service` the client.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facet_vision.common.errors import UsageError
from facet_vision.common.flags import with_options
from facet_vision.common.terminal import one_sentence, tell_resampled
from facet_vision.service.client.options import Key
from facet_vision.training.recipe import Recipe

# torch and timm take seconds to import: only the functions that need them do so
if TYPE_CHECKING:
    from torch import Tensor

    from facet_vision.prompts_store import Manifest
    from facet_vision.training.evaluation.measures import Evaluation
    from facet_vision.training.evaluation.questions import Questions

DATA_OPTIONS = frozenset(
    {
        *("image_column", "label_column", "split_column", "label_separator"),
        *("seed", "holdout"),
    }
)
"""Fields of a recipe that are options here; by default they are those of the task's training."""

DATA_HELP = (
    "A data set, as for facet train. Its held-out images are taken: where it has no such part, "
    "those that were held out when the task was trained."
)


@with_options(Recipe, only=DATA_OPTIONS)
def evaluate(
    given: dict[str, Any],
    task: Annotated[
        str,
        typer.Argument(
            metavar="FILE|TASK", help="A task file or checkpoint, or with --to a task of a server."
        ),
    ],
    data: Annotated[str, typer.Argument(help=DATA_HELP)],
    to: Annotated[
        str | None,
        typer.Option("--to", "--server", help="Address of a server, which then computes."),
    ] = None,
    key: Key = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All images of the data, not only those held out.")
    ] = False,
    backbone: Annotated[
        str | None, typer.Option(help="Instead of the name in the file, as for facet train.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Local weights of the backbone.")] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu or cuda.", show_default="auto")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document.")] = False,
) -> None:
    """Measure a task on labelled images: by label, confusions, calibration."""
    local = {"backbone": backbone, "checkpoint": checkpoint, "device": device}
    with one_sentence("evaluate"):
        _check_fits(task, to, local)
        if to is None:
            about, evaluation = _of_file(Path(task), data, everything, given, local)
        else:
            about, evaluation = _of_server(task, to, key, data, everything, given)
    typer.echo(_document(about, evaluation) if as_json else _text(about, evaluation))


def _check_fits(task: str, to: str | None, local: dict[str, Any]) -> None:
    """Raise UsageError for options that do not fit each other, before anything is loaded."""
    for name, value in local.items():
        if to is not None and value is not None:
            raise UsageError(
                f"{name}: expected no value, which --to does not use, found {str(value)!r}"
            )
    if to is None and not Path(task).is_file():
        raise UsageError(
            "task: expected a task file, or with --to URL a task of that server, "
            f"found no file {task!r}"
        )


def _of_file(
    file: Path, source: str, everything: bool, given: dict[str, Any], local: dict[str, Any]
) -> tuple[dict[str, Any], Evaluation]:
    """Compute in this process, in float32 as training measures."""
    from facet_vision.backbone import load as load_backbone
    from facet_vision.training.data.images import prepare
    from facet_vision.training.evaluation.measures import activated
    from facet_vision.training.output.trained_file import read

    trained = read(file)
    asked = _questions(source, trained.manifest, everything, given)
    network = load_backbone(
        local["backbone"] or trained.manifest.backbone,
        checkpoint=local["checkpoint"],
        device=local["device"] or "auto",
    )
    tell_resampled(network)
    logits = trained.logits(network, prepare(asked.examples, network.preprocess))
    found = _measured(asked, activated(logits, trained.manifest.activation), trained.manifest)
    return _about(trained.manifest, asked, everything) | {"file": str(file)}, found


def _of_server(
    task: str, url: str, key: str | None, source: str, everything: bool, given: dict[str, Any]
) -> tuple[dict[str, Any], Evaluation]:
    """Ask a server about every image; it computes in the precision in which it serves."""
    import torch

    from facet_vision.prompts_store import Manifest
    from facet_vision.service.client.options import connected
    from facet_vision.service.client.scores import scores

    with connected(url, "evaluate", key) as client:
        version = client.live_version(task)
        manifest = Manifest.from_json(json.dumps(client.task(task).manifest))
        asked = _questions(source, manifest, everything, given)
        images = _encoded(asked)
        answers = torch.tensor(scores(client, task, version, manifest.labels, images))
    found = _measured(asked, answers, manifest)
    return _about(manifest, asked, everything) | {"server": url, "version": version}, found


def _questions(
    source: str, manifest: Manifest, everything: bool, given: dict[str, Any]
) -> Questions:
    """Read the images; what is remarkable about them goes to standard error."""
    from facet_vision.training.data.remarks import remarks
    from facet_vision.training.evaluation.questions import questions

    asked = questions(source, manifest, everything=everything, given=given)
    for sentence in remarks(asked.data):
        typer.secho(sentence, fg="yellow", err=True)
    return asked


def _encoded(asked: Questions) -> Iterator[tuple[str, bytes]]:
    for index in range(len(asked.examples)):
        yield f"{index}", asked.examples.encoded(index)


def _measured(asked: Questions, scores: Tensor, manifest: Manifest) -> Evaluation:
    from facet_vision.training.evaluation.measures import evaluate

    return evaluate(scores, asked.targets, manifest.labels, manifest.activation)


def _about(manifest: Manifest, asked: Questions, everything: bool) -> dict[str, Any]:
    """Return what was evaluated, for the document."""
    return {
        "task": manifest.task,
        "method": manifest.method,
        "data": asked.data.description,
        "part": "all" if everything else "held-out",
    }


def _document(about: dict[str, Any], evaluation: Evaluation) -> str:
    return json.dumps(about | evaluation.as_json(), indent=2, ensure_ascii=False)


def _text(about: dict[str, Any], evaluation: Evaluation) -> str:
    from facet_vision.training.evaluation.texts import text

    where = f"version {about['version']}" if "version" in about else about["method"]
    images = "images" if about["part"] == "all" else "held-out images"
    return text(evaluation, f"{about['task']} ({where})", f"{images} of {about['data']}")
