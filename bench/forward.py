"""The cost of deep prompts and mixed tasks over the bare backbone.

It is also compared with the machine's limit, the fastest matrix product.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from facet_vision import backbone
from facet_vision.backbone import Backbone
from facet_vision.bench.measuring.environment import environment
from facet_vision.bench.measuring.roofline import flops, products
from facet_vision.bench.measuring.spread import Spread
from facet_vision.bench.measuring.timing import side_by_side
from facet_vision.bench.reporting.figures import Draw, bars, curves
from facet_vision.bench.reporting.report import Column, Record, Report, Section

from .plans import ForwardPlan

BARE = "bare timm forward"
TOKENS = "prompts as tokens"
PREFIX = "prefix, one task"
MIXED = "prefix, a task per row"
PACKED = "prefix, a task per row, packed"


@dataclass(frozen=True)
class Cell:
    """One point of the sweep; `kind` is "shallow" or "deep", `prompts` their number per layer."""

    backbone: str
    dtype: str
    kind: str
    prompts: int
    batch: int


def cells(plan: ForwardPlan) -> Iterator[Cell]:
    """Yield the cells; those of one backbone and dtype are adjacent, for one loading of it."""
    for name, dtype in product(plan.backbone, plan.dtype):
        for kind, prompts, batch in product(plan.kind, plan.prompts, plan.batch):
            # Without prompts there is no kind: such a cell is measured once.
            if prompts or kind == plan.kind[0]:
                yield Cell(name, dtype, kind if prompts else "none", prompts, batch)


def measure(plan: ForwardPlan, progress: Callable[[str], None] = lambda _: None) -> Report:
    """Time every cell on random weights and images."""
    where = environment()  # first, since it reads the load that other processes make
    records: list[Record] = []
    net: Backbone | None = None
    packed: Backbone | None = None
    for cell in cells(plan):
        progress(
            f"{cell.backbone}, {cell.dtype}, {cell.kind}, {cell.prompts} prompts, "
            f"batch {cell.batch}"
        )
        if net is None or (net.name, str(net.dtype)) != (cell.backbone, f"torch.{cell.dtype}"):
            net = packed = None  # frees their memory before the next ones are loaded
            net = backbone.load(cell.backbone, pretrained=False, dtype=cell.dtype)
            packed = _packed(net)
        records += measure_cell(net, packed, cell, rounds=plan.rounds)
    return Report(
        "forward",
        plan.model_dump(),
        where,
        [Section("Forward", records, _columns(records), [NOTE, _peaks(records)])],
        {"ratio": figure(records)},
    )


RATIO = "time over the bare forward"

NOTE = (
    "Ratios are to the bare forward of the same cell, round by round, medians with quartiles. The "
    "share is the forward's own operations per second over the fastest matrix product of its dtype "
    "in the same round."
)


@torch.inference_mode()
def measure_cell(
    net: Backbone, packed: Backbone | None, cell: Cell, *, rounds: int
) -> list[Record]:
    """Time the forwards of one cell side by side with matrix products, their upper bound."""
    torch.manual_seed(0)
    forwards = contenders(net, packed, cell)
    patches: Any = net.model.patch_embed
    rows = cell.batch * patches.num_patches
    peaks = products(rows, net.layer_dims[0], net.device, net.dtype)
    operations = {name: flops(call) for name, call in forwards.items() if name != PACKED}
    # torch's counter does not know oneDNN's linear layer; the function is the same.
    if PACKED in forwards:
        operations[PACKED] = operations.get(MIXED, operations[PREFIX])
    timings = side_by_side(forwards | {peak.name: peak for peak in peaks}, rounds=rounds)
    rates = [[peak.flops / seconds for seconds in timings[peak.name].rounds] for peak in peaks]
    peak = Spread(tuple(map(max, *rates)))
    peak_gflops = Spread(tuple(rate / 1e9 for rate in peak.rounds))
    records: list[Record] = []
    for name in forwards:
        own_rate = Spread(tuple(operations[name] / seconds for seconds in timings[name].rounds))
        figures = {
            "forward": name,
            "seconds": timings[name],
            "ratio": timings[name].over(timings[BARE]),
            "gflop": operations[name] / 1e9,
            "share": own_rate.over(peak),
            "peak_gflop_per_second": peak_gflops,
        }
        records.append(asdict(cell) | figures)
    return records


def contenders(
    net: Backbone, packed: Backbone | None, cell: Cell
) -> dict[str, Callable[[], Tensor]]:
    """Return the forwards of one batch by name: the bare one first, the server's own last."""
    layers = {"deep": len(net.layer_dims), "shallow": 1, "none": 0}[cell.kind]
    images = torch.randn(cell.batch, *net.input_size, device=net.device, dtype=net.dtype)
    tasks = [
        [torch.randn(cell.prompts, dim) * 0.1 for dim in net.layer_dims[:layers]]
        for _ in range(cell.batch)
    ]
    encoded = [net.encode(task) for task in tasks]
    found: dict[str, Callable[[], Tensor]] = {
        BARE: lambda: net.model(images),
        TOKENS: lambda: net.features(images, tasks[0], form="tokens"),
        PREFIX: lambda: net.features_mixed(images, [(encoded[0], cell.batch)]),
        MIXED: lambda: net.features_mixed(images, [(prefix, 1) for prefix in encoded]),
    }
    if packed is not None:
        found[PACKED] = lambda: packed.features_mixed(images, [(prefix, 1) for prefix in encoded])
    if cell.prompts:
        return found
    return {name: found[name] for name in (BARE, PREFIX, PACKED) if name in found}


def _packed(net: Backbone) -> Backbone | None:
    """Copy the backbone with packed weights; return None where they cannot be packed."""
    if not net.can_pack:
        return None
    twin = copy.deepcopy(net)
    twin.pack()
    return twin


def _columns(records: Sequence[Record]) -> list[Column]:
    keys = ("backbone", "dtype", "kind", "prompts", "batch")
    return [
        *(Column.of(key) for key in keys if _varies(records, key)),
        Column.of("forward"),
        Column.of("seconds", "ms", 1, 1e3),
        Column.of("ratio", digits=3),
        Column.of("share", "share of matrix product", 2),
    ]


def _peaks(records: Sequence[Record]) -> str:
    rates: dict[str, list[float]] = {}
    for record in records:
        rates.setdefault(record["dtype"], []).extend(record["peak_gflop_per_second"].rounds)
    found = (f"{dtype} {Spread(tuple(values)).text(0)}" for dtype, values in rates.items())
    return f"Fastest matrix product, GFLOP/s: {', '.join(found)}."


def _varies(records: Sequence[Record], key: str) -> bool:
    return len({record[key] for record in records}) > 1


def figure(records: Sequence[Record]) -> Draw:
    """Draw ratios over the number of prompts if that was swept, else a bar for each forward."""
    keys = [key for key in ("backbone", "dtype", "kind", "batch") if _varies(records, key)]
    shown = [record for record in records if record["forward"] != BARE and record["prompts"]]
    if not _varies(shown, "prompts"):
        return bars(
            {f"{_label(record, keys)} {record['forward']}": record["ratio"] for record in shown},
            RATIO,
        )
    panels: dict[str, dict[str, list[tuple[float, Spread]]]] = {}
    for record in shown:
        lines = panels.setdefault(_label(record, keys), {})
        lines.setdefault(record["forward"], []).append((record["prompts"], record["ratio"]))
    return curves(panels, "prompts per layer", RATIO)


def _label(record: Record, keys: Sequence[str]) -> str:
    return ", ".join(f"batch {record[key]}" if key == "batch" else str(record[key]) for key in keys)
