"""The command `facet evaluate`.

It stands above both rooms that it needs: `training` has images and measures, `service` the client.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facet_vision.common.errors import UsageError
from facet_vision.common.flags import with_options
from facet_vision.common.loading import backbone_of
from facet_vision.common.terminal import one_sentence
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
    none: Annotated[
        str | None,
        typer.Option(help="Label in the data of images that are of none of the task's labels."),
    ] = None,
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
    source = Source(data, everything, none, given)
    with one_sentence("evaluate"):
        _check_fits(task, to, local)
        if to is None:
            about, evaluation = _of_file(Path(task), source, local)
        else:
            about, evaluation = _of_server(task, to, key, source)
    typer.echo(_document(about, evaluation) if as_json else _text(about, evaluation))


@dataclass(frozen=True)
class Source:
    """The images that were asked for.

    Attributes:
        data: as for `facet train`.
        everything: whether those are meant too that are not held out.
        none: label of the images that are of none of the task's labels.
        given: options of reading.
    """

    data: str
    everything: bool
    none: str | None
    given: Mapping[str, Any]


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
    file: Path, source: Source, local: dict[str, Any]
) -> tuple[dict[str, Any], Evaluation]:
    """Compute in this process, in float32 as training measures."""
    from facet_vision.training.data.images import prepare
    from facet_vision.training.evaluation.measures import activated
    from facet_vision.training.output.trained_file import read

    trained = read(file)
    asked = _questions(source, trained.manifest)
    network = backbone_of(
        trained.manifest,
        local["backbone"],
        checkpoint=local["checkpoint"],
        device=local["device"] or "auto",
    )
    answers = trained.answers(network, prepare(asked.everything, network.preprocess))
    scores = activated(answers.logits, trained.manifest.activation)
    found = _measured(asked, scores, answers.distances, trained.manifest)
    return _about(trained.manifest, asked, source) | {"file": str(file)}, found


def _of_server(
    task: str, url: str, key: str | None, source: Source
) -> tuple[dict[str, Any], Evaluation]:
    """Ask a server about every image; it computes in the precision in which it serves."""
    import torch

    from facet_vision.prompts_store import Manifest
    from facet_vision.service.client.options import connected
    from facet_vision.service.client.scores import scores

    with connected(url, "evaluate", key) as client:
        version = client.live_version(task)
        manifest = Manifest.from_json(json.dumps(client.task(task).manifest))
        asked = _questions(source, manifest)
        far = manifest.threshold is not None
        images = _encoded(asked)
        answers = scores(client, task, version, manifest.labels, images, distances=far)
    distances = torch.tensor([each.distance for each in answers]) if far else None
    found = _measured(asked, torch.tensor([each.scores for each in answers]), distances, manifest)
    return _about(manifest, asked, source) | {"server": url, "version": version}, found


def _questions(source: Source, manifest: Manifest) -> Questions:
    """Read the images; what is remarkable about them goes to standard error."""
    from facet_vision.training.data.remarks import remarks
    from facet_vision.training.evaluation.questions import questions

    if source.none is not None and manifest.threshold is None:
        raise UsageError(
            f"none: expected a task that states when an image is of none of its labels, found "
            f"{manifest.task!r}, which does not"
        )
    asked = questions(
        source.data,
        manifest,
        everything=source.everything,
        given=source.given,
        none=source.none,
    )
    for sentence in remarks(asked.data):
        typer.secho(sentence, fg="yellow", err=True)
    return asked


def _encoded(asked: Questions) -> Iterator[tuple[str, bytes]]:
    images = asked.everything
    for index in range(len(images)):
        yield f"{index}", images.encoded(index)


def _measured(
    asked: Questions, scores: Tensor, distances: Tensor | None, manifest: Manifest
) -> Evaluation:
    """Make the numbers of the scores (images, labels) and distances (images,) of all images."""
    from facet_vision.training.evaluation.abstention import abstention
    from facet_vision.training.evaluation.measures import evaluate

    own = len(asked.targets)
    found = evaluate(
        scores[:own],
        asked.targets,
        manifest.labels,
        manifest.activation,
        manifest.class_thresholds,
    )
    if distances is None or manifest.threshold is None:
        return found
    near = distances <= manifest.threshold.value
    right = scores[:own].argmax(dim=1) == asked.targets
    return replace(found, abstention=abstention(right, near[:own], near[own:]))


def _about(manifest: Manifest, asked: Questions, source: Source) -> dict[str, Any]:
    """Return what was evaluated, for the document."""
    return {
        "task": manifest.task,
        "method": manifest.method,
        "data": asked.data.description,
        "part": "all" if source.everything else "held-out",
    }


def _document(about: dict[str, Any], evaluation: Evaluation) -> str:
    return json.dumps(about | evaluation.as_json(), indent=2, ensure_ascii=False)


def _text(about: dict[str, Any], evaluation: Evaluation) -> str:
    from facet_vision.training.evaluation.texts import text

    where = f"version {about['version']}" if "version" in about else about["method"]
    images = "images" if about["part"] == "all" else "held-out images"
    return text(evaluation, f"{about['task']} ({where})", f"{images} of {about['data']}")
