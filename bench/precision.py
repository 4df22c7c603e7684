"""The cost of a lower precision in accuracy, on held-out images of the builtin tasks."""

from collections.abc import Callable, Sequence
from math import sqrt

import torch
from torch import Tensor

from facet_vision import backbone
from facet_vision.backbone import Backbone
from facet_vision.bench.measuring.environment import environment
from facet_vision.bench.reporting.report import Column, Record, Report, Section
from facet_vision.prompts_store import TaskFile, builtin
from facet_vision.training.data.datasets import Examples, load

from .plans import PrecisionPlan

EMBEDDED = "facet-tiny"
BATCH = 64

NOTE = (
    "The same images through both. A loss is in percentage points of accuracy, with the standard "
    "error of a paired difference; a negative one is a gain. The mean weighs every task alike."
)


def measure(plan: PrecisionPlan, progress: Callable[[str], None] = lambda _: None) -> Report:
    """Compare a lower precision with float32.

    Raises:
        TaskNotFound: one of the tasks is no builtin one.
    """
    tasks = plan.tasks or tuple(builtin.names())
    for task in tasks:
        builtin.read(task)  # before the work
    where = environment()
    exact = backbone.load(EMBEDDED, dtype="float32", execution="auto")
    lower = backbone.load(EMBEDDED, dtype=plan.dtype, execution="auto")
    records: list[Record] = []
    for task in tasks:
        progress(task)
        records.append(measure_task(exact, lower, task, plan.images))
    records.append(_mean(records))
    sections = [Section("Accuracy", records, COLUMNS, [NOTE])]
    return Report("precision", {"dtype": plan.dtype, "tasks": tasks}, where, sections)


COLUMNS = (
    Column.of("task"),
    Column.of("images"),
    Column.of("float32", "float32, %", 2, 100),
    Column.of("lower", "lower precision, %", 2, 100),
    Column.of("loss", "loss, points", 2, 100),
    Column.of("error", "standard error", 2, 100),
    Column.of("same", "same label, %", 2, 100),
    Column.of("difference", "largest difference of a probability", 3),
)


def measure_task(exact: Backbone, lower: Backbone, task: str, most: int | None) -> Record:
    """Compare both backbones on one builtin task: their accuracy, and how their answers differ."""
    file, data = TaskFile.from_bytes(builtin.read(task)), load(task)
    images = data.test if most is None else data.test.take(range(min(most, len(data.test))))
    place = {label: index for index, label in enumerate(file.manifest.labels)}
    truth = torch.tensor([place[data.names(target)] for target in images.targets])
    first, second = (probabilities(net, file, images) for net in (exact, lower))
    # Paired per image: 1 where only the exact one is right, -1 where only the lower one is.
    lost = (first.argmax(1) == truth).double() - (second.argmax(1) == truth).double()
    return {
        "task": task,
        "images": len(truth),
        "float32": float((first.argmax(1) == truth).double().mean()),
        "lower": float((second.argmax(1) == truth).double().mean()),
        "loss": float(lost.mean()),
        "error": float(lost.std()) / sqrt(len(lost)),
        "same": float((first.argmax(1) == second.argmax(1)).double().mean()),
        "difference": float((first - second).abs().max()),
    }


@torch.inference_mode()
def probabilities(net: Backbone, file: TaskFile, images: Examples) -> Tensor:
    """Compute a server's answers, (images, labels) float32 on the CPU."""
    adaptation = net.encode(file.prompts, file.parts)
    head = file.head.to(net.device, torch.float32)
    found = []
    for start in range(0, len(images), BATCH):
        rows = range(start, min(start + BATCH, len(images)))
        batch = torch.stack([net.preprocess(images.image(row)) for row in rows])
        features = net.features_mixed(batch, [(adaptation, len(batch))]).float()
        found.append(head(features).softmax(-1).cpu())
    return torch.cat(found)


def _mean(records: Sequence[Record]) -> Record:
    """Average all tasks; images are added up, of differences the largest counts."""
    count = len(records)
    means = {
        key: sum(record[key] for record in records) / count
        for key in ("float32", "lower", "loss", "same")
    }
    return {
        "task": "mean",
        "images": sum(record["images"] for record in records),
        **means,
        "error": sqrt(sum(record["error"] ** 2 for record in records)) / count,
        "difference": max(record["difference"] for record in records),
    }
