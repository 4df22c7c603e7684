"""The command `facet show`.

It reads the header of a task file only, and needs neither torch nor a server.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facet_vision.common.terminal import aligned, one_sentence
from facet_vision.prompts_store.layout import is_part, kinds
from facet_vision.prompts_store.metrics import HELD_OUT_IMAGES, metric_words, ranked
from facet_vision.prompts_store.samples.facts import PREFIX as SAMPLES

from .options import AsJson, print_json

if TYPE_CHECKING:
    from facet_vision.prompts_store import Manifest
    from facet_vision.prompts_store.header import TensorSpec

SHOWN_LABELS = 20


def show(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Task file.")],
    as_json: AsJson = False,
) -> None:
    """Show what a task file holds, without loading it."""
    with one_sentence("show"):
        manifest, tensors, size = _read(file)
    if as_json:
        print_json(_document(manifest, tensors, size))
    else:
        for line in aligned(_rows(manifest, tensors, size)):
            typer.echo(line)


def _read(file: Path) -> tuple[Manifest, dict[str, TensorSpec], int]:
    """Return manifest, tensors and bytes of a file whose header is sound.

    Raises:
        TaskFileError: it is not, with the path.
    """
    from facet_vision.prompts_store import Preview, TaskFileError
    from facet_vision.prompts_store.header import MAX_START_BYTES, read_header

    size = file.stat().st_size
    with file.open("rb") as opened:
        start = opened.read(MAX_START_BYTES)
    try:
        manifest = Preview.parse(start, size).manifest
        return manifest, read_header(start, size).tensors, size
    except TaskFileError as error:
        raise type(error)(f"{file}: {error}") from None


def _document(manifest: Manifest, tensors: dict[str, TensorSpec], size: int) -> dict[str, Any]:
    fields = manifest.document()
    return fields | {
        "metrics": ranked(manifest.metrics, manifest.activation),
        "size": size,
        "tensors": {
            name: {"dtype": spec.dtype, "shape": list(spec.shape)} for name, spec in tensors.items()
        },
    }


def _rows(manifest: Manifest, tensors: dict[str, TensorSpec], size: int) -> list[tuple[str, str]]:
    """Return what a person wants to know, the most important first."""
    side = " x ".join(map(str, manifest.input_size[1:]))
    rows = [
        ("task", manifest.task),
        ("description", manifest.description),
        ("metrics", _metrics(manifest)),
        ("no label", _no_label(manifest)),
        ("labels", _labels(manifest.labels)),
        ("method", manifest.method),
        ("backbone", f"{manifest.backbone}, {side} pixels, {manifest.pooling} pooling"),
        ("fingerprint", manifest.fingerprint),
        ("prompts", _prompts(manifest, tensors)),
        ("parts", _parts(tensors)),
        ("head", _head(manifest, tensors)),
        ("samples", _samples(manifest)),
        ("size", f"{size / 1000:.0f} kB, {_dtypes(tensors)}"),
        ("data", manifest.data),
        ("recipe", ", ".join(f"{name} {value}" for name, value in _given(manifest))),
        ("created", f"{manifest.created:%Y-%m-%d %H:%M} UTC"),
    ]
    return [(name, _line(value)) for name, value in rows if value]


def _line(text: str) -> str:
    """Return text in one line, without what could steer a terminal: a file is anyone's."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _metrics(manifest: Manifest) -> str:
    metrics = ranked(manifest.metrics, manifest.activation)
    images = metrics.pop(HELD_OUT_IMAGES, None)
    shown = ", ".join(f"{metric_words(name)} {value:.3f}" for name, value in metrics.items())
    return shown if images is None else f"{shown} on {images:.0f} held-out images"


def _no_label(manifest: Manifest) -> str:
    if manifest.threshold is None:
        return ""
    stated = manifest.threshold
    return (
        f"beyond a distance of {stated.value:.4g}, within which {stated.share:.0%} of images like "
        f"its own are ({stated.source}, {stated.images} images)"
    )


def _labels(labels: tuple[str, ...]) -> str:
    more = f", and {len(labels) - SHOWN_LABELS} more" if len(labels) > SHOWN_LABELS else ""
    return f"{len(labels)}: {', '.join(labels[:SHOWN_LABELS])}{more}"


def _prompts(manifest: Manifest, tensors: dict[str, TensorSpec]) -> str:
    if not manifest.layers:
        return "none"
    widths = [tensors[f"prompts.{layer}"].shape[1] for layer in range(manifest.layers)]
    unlike = " and ".join(map(str, dict.fromkeys(widths)))
    layers = "1 layer" if manifest.layers == 1 else f"{manifest.layers} layers"
    return f"{layers} of {manifest.tokens} tokens x {unlike}"


def _parts(tensors: dict[str, TensorSpec]) -> str:
    """Return what else is learned, kind by kind: "lora at qkv, 30,720 numbers"."""
    parts = [name for name in tensors if is_part(name)]
    shown = []
    for kind in kinds(parts):
        own = [name for name in parts if name.startswith(f"{kind}.")]
        sites = dict.fromkeys(name.split(".")[2] for name in own)
        numbers = sum(math.prod(tensors[name].shape) for name in own)
        shown.append(f"{kind} at {' and '.join(sites)}, {numbers:,} numbers")
    return "; ".join(shown)


def _head(manifest: Manifest, tensors: dict[str, TensorSpec]) -> str:
    if manifest.examples is not None:
        width = tensors["examples.features"].shape[1]
        made = f"{sum(manifest.examples.counts)} examples of {len(manifest.labels)} labels"
        return f"{manifest.head}, {width}, of {made}, {manifest.activation}"
    hidden = sorted(name for name in tensors if name.startswith("head.") and name[5].isdigit())
    weights = [name for name in (*hidden, "head.weight") if name.endswith(".weight")]
    first, *rest = (tensors[name].shape for name in weights)
    widths = [first[1], first[0], *(shape[0] for shape in rest)]
    divided = f", temperature {manifest.temperature:g}" if manifest.temperature else ""
    return f"{manifest.head}, {' to '.join(map(str, widths))}, {manifest.activation}{divided}"


def _samples(manifest: Manifest) -> str:
    """Return what images the file carries, which travel with it wherever it goes."""
    samples = manifest.samples or ()
    images = "1 image" if len(samples) == 1 else f"{len(samples)} images"
    return f"{images} of {', '.join(each.label for each in samples)}" if samples else ""


def _dtypes(tensors: dict[str, TensorSpec]) -> str:
    return " and ".join(
        sorted({spec.dtype for name, spec in tensors.items() if not name.startswith(SAMPLES)})
    )


def _given(manifest: Manifest) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in manifest.recipe.items() if value is not None]
