"""The cost of every kind of adaptation in a batch in which each row asks another task."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from facet_vision import backbone
from facet_vision.backbone import Adaptation, Backbone
from facet_vision.bench.measuring.environment import environment
from facet_vision.bench.measuring.timing import side_by_side
from facet_vision.bench.reporting.figures import bars
from facet_vision.bench.reporting.report import Column, Record, Report, Section
from facet_vision.training.methods import find
from facet_vision.training.recipe import make_recipe

from .plans import AdaptationsPlan

BARE = "bare timm forward"
EVERY = "all of them mixed"

NOTE = (
    "Ratios are to the bare forward, round by round, medians with quartiles. Every row of a batch "
    "asks a task of its own; each task has prompts or other parts of the size that the method's "
    "options give, with random values."
)


def measure(plan: AdaptationsPlan, progress: Callable[[str], None] = lambda _: None) -> Report:
    """Time a mixed batch of each method, and one of all of them, on random weights and images."""
    where = environment()  # first, since it reads the load that other processes make
    records: list[Record] = []
    for dtype in plan.dtype:
        net = backbone.load(plan.backbone, pretrained=False, dtype=dtype)
        progress(f"{plan.backbone}, {dtype}, {len(plan.methods)} methods, batch {plan.batch}")
        records += _measure(net, plan, dtype)
    columns = [
        *([Column.of("dtype")] if len(plan.dtype) > 1 else []),
        Column.of("method"),
        Column.of("kilobytes", "kB per task", 0),
        Column.of("seconds", "ms", 1, 1e3),
        Column.of("ratio", digits=3),
        Column.of("packed", "packed", 3),
    ]
    shown = [record for record in records if record["method"] != BARE]
    figure = bars({f"{each['dtype']} {each['method']}": each["ratio"] for each in shown}, RATIO)
    section = Section("Adaptations", records, columns, [NOTE])
    return Report("adaptations", plan.model_dump(), where, [section], {"ratio": figure})


RATIO = "time over the bare forward"


@torch.inference_mode()
def _measure(net: Backbone, plan: AdaptationsPlan, dtype: str) -> Iterator[Record]:
    torch.manual_seed(0)
    images = torch.randn(plan.batch, *net.input_size, device=net.device, dtype=net.dtype)
    batches = {
        method: [task(net, method, plan, seed) for seed in range(plan.batch)]
        for method in plan.methods
    }
    if len(plan.methods) > 1:
        batches[EVERY] = [
            batches[plan.methods[row % len(plan.methods)]][row] for row in range(plan.batch)
        ]
    forwards: dict[str, Callable[[], Tensor]] = {BARE: lambda: net.model(images)}
    forwards |= {name: _forward(net, images, tasks) for name, tasks in batches.items()}
    if net.can_pack:
        twin = copy.deepcopy(net)
        twin.pack()
        forwards |= {
            f"{name}, packed": _forward(twin, images, each) for name, each in batches.items()
        }
    timings = side_by_side(forwards, rounds=plan.rounds)
    for name in (BARE, *batches):
        packed = timings.get(f"{name}, packed")
        sizes = [each.nbytes for each in batches.get(name, [])]
        yield {
            "dtype": dtype,
            "method": name,
            "kilobytes": sum(sizes) / max(1, len(sizes)) / 1e3,
            "seconds": timings[name],
            "ratio": timings[name].over(timings[BARE]),
            "packed": None if packed is None else packed.over(timings[BARE]),
        }


def task(net: Backbone, method: str, plan: AdaptationsPlan, seed: int) -> Adaptation:
    """Encode a task of random values in the form of a method."""
    generator = torch.Generator().manual_seed(seed)
    options: dict[str, Any] = {"tokens": plan.tokens, "rank": plan.rank}
    recipe = make_recipe(
        {"data": "x", "task": "x", "method": method} | options, find(method).defaults
    )
    made = find(method)(net, 2, recipe, generator)
    parts = {
        name: part + 0.01 * torch.randn(part.shape, generator=generator)
        for name, part in made.written_parts().items()
    }
    return net.encode(made.written_prompts(), parts)


def _forward(net: Backbone, images: Tensor, tasks: list[Adaptation]) -> Callable[[], Tensor]:
    return lambda: net.features_mixed(images, [(each, 1) for each in tasks])
