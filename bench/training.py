"""The cost of a training step of VPT-Deep, in the prefix form and in the plain one."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from facet_vision import backbone
from facet_vision.backbone import Backbone
from facet_vision.bench.measuring.environment import environment
from facet_vision.bench.measuring.peak import peak
from facet_vision.bench.measuring.timing import side_by_side
from facet_vision.bench.reporting.figures import bars
from facet_vision.bench.reporting.report import Column, Record, Report, Section
from facet_vision.training.fitting.optimizer import make_optimizer
from facet_vision.training.methods import Method, find
from facet_vision.training.methods.adapting import Adapting
from facet_vision.training.methods.components.vpt import DeepPrompts
from facet_vision.training.precision import computing_in
from facet_vision.training.recipe import Recipe, make_recipe

from .plans import TrainingPlan

TOKENS, PREFIX = "vpt-deep, prompts as tokens", "vpt-deep, prefix"
STEPS = {TOKENS: "vpt-deep", PREFIX: "vpt-deep", "head alone": "linear", "full": "full"}
"""The method behind every step; ratios are to the first."""

CLASSES = 100


@dataclass(frozen=True)
class Cell:
    """Steps of one size, in the precision `dtype`."""

    backbone: str
    dtype: str
    prompts: int
    batch: int


class PromptsAsTokens(Adapting):
    """vpt-deep in the plain formulation."""

    components = (DeepPrompts,)

    def features(self, inputs: Tensor) -> Tensor:
        return self.backbone.features(inputs, list(self.prompts), form="tokens")


Progress = Callable[[str], None]


def ignore(_line: str) -> None:
    """Discard a line of progress."""


def measure(plan: TrainingPlan, progress: Progress = ignore) -> Report:
    """Time the steps side by side on random weights and images; then measure their memory."""
    steps = tuple(STEPS) if plan.context else (TOKENS, PREFIX)
    records: list[Record] = []
    for dtype in plan.dtype:
        cell = Cell(plan.backbone, dtype, plan.prompts, plan.batch)
        times = measure_time(cell, steps, plan.rounds, progress)
        memory = measure_memory(cell, steps, progress) if plan.memory else {}
        records += [
            {**asdict(cell), **record, **memory.get(record["step"], {})} for record in times
        ]
    ratios = {f"{record['step']}, {record['dtype']}": record["ratio"] for record in records}
    sections = [Section("Training step", records, COLUMNS, [NOTE])]
    figures = {"ratio": bars(ratios, RATIO)}
    return Report("training", plan.model_dump(), environment(), sections, figures)


RATIO = "time over the step with prompts as tokens"

NOTE = (
    "A step is forward, loss, backward and optimizer step. Ratios are to the first row of the same "
    "dtype; those of time round by round, medians with quartiles. Memory is the highest level "
    "during two steps above that before them, in a process of its own: activations, gradients and "
    "the optimizer's state, but not the weights."
)

COLUMNS = [
    Column.of("dtype"),
    Column.of("step"),
    Column.of("trained", "trained numbers"),
    Column.of("seconds", "ms", 0, 1e3),
    Column.of("ratio", digits=3),
    Column.of("memory", "memory, MB", 0, 1e-6),
    Column.of("memory_ratio", "memory ratio", 3),
]


def measure_time(
    cell: Cell, steps: Sequence[str], rounds: int, progress: Progress = ignore
) -> list[Record]:
    """Time the steps side by side in one process; ratios are to the first."""
    progress(f"timing {'; '.join(steps)}; in {cell.dtype}")
    net = load(cell)
    methods = {step: make_method(step, net, cell) for step in steps}
    timings = side_by_side(
        {step: training_step(methods[step], cell) for step in steps}, rounds=rounds
    )
    return [
        {
            "step": step,
            "trained": sum(parameter.numel() for parameter in methods[step].trained().values()),
            "seconds": timings[step],
            "ratio": timings[step].over(timings[steps[0]]),
        }
        for step in steps
    ]


def measure_memory(
    cell: Cell, steps: Sequence[str], progress: Progress = ignore
) -> dict[str, Record]:
    """Measure the bytes of every step, each in a process of its own; ratios are to the first."""
    found: dict[str, Record] = {}
    base: float | None = None
    for step in steps:
        progress(f"memory of {step} in {cell.dtype}")
        highest = peak(partial(build, step, cell))
        base = base or highest
        found[step] = {
            "memory": highest,
            "memory_ratio": highest / base if highest and base else None,
        }
    return found


def load(cell: Cell) -> Backbone:
    """Load the backbone with random weights."""
    return backbone.load(cell.backbone, pretrained=False)


def make_method(step: str, net: Backbone, cell: Cell) -> Method:
    """Make the method as `facet train` does, on the backbone's device."""
    kind = PromptsAsTokens if step == TOKENS else find(STEPS[step])
    made = kind(net, CLASSES, recipe(step, cell), torch.Generator().manual_seed(0))
    return made.to(net.device).train()


def recipe(step: str, cell: Cell) -> Recipe:
    """Make the recipe of a step: the method's defaults but for the cell's sizes."""
    given = {
        "data": "random",
        "task": "bench",
        "method": STEPS[step],
        "precision": cell.dtype,
        "tokens": cell.prompts,
        "batch_size": cell.batch,
    }
    return make_recipe(given, find(STEPS[step]).defaults)


def training_step(method: Method, cell: Cell) -> Callable[[], Tensor]:
    """Return one step on a fixed batch; the step returns its loss.

    A step includes what a method would compute only once of its training images.
    """
    optimizer = make_optimizer(method, method.recipe)
    net, generator = method.backbone, torch.Generator().manual_seed(0)
    images = torch.randn(cell.batch, *net.input_size, generator=generator).to(net.device)
    targets = torch.randint(CLASSES, (cell.batch,), generator=generator).to(net.device)

    def step() -> Tensor:
        with computing_in(method.recipe.precision, net.device):
            rows = method.frozen_part(images)
        loss = F.cross_entropy(method(rows), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def build(step: str, cell: Cell) -> Callable[[], Tensor]:
    """Load a backbone and make a step on it, for a process of its own."""
    return training_step(make_method(step, load(cell), cell), cell)
