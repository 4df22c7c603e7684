"""What keys cost: the same load on a server without keys and on one with them, in turns.

Both servers run all the time, on the same tasks; the one that is not loaded sleeps.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial

from facet_vision.bench.measuring.timing import in_turns
from facet_vision.bench.reporting.report import Column, Record, Section
from facet_vision.bench.servers.materials import Materials
from facet_vision.bench.servers.processes import Server
from facet_vision.bench.servers.serving import (
    COLUMNS,
    facet,
    generator_note,
    load_plan,
    spreads,
    summary,
    targets,
)
from facet_vision.service.access.key import KeyFile, new_key
from facet_vision.service.access.source import write

from .load import Closed, generate
from .plans import HttpPlan

WITHOUT, WITH = "without keys", "with keys"


def keys_section(
    plan: HttpPlan, materials: Materials, server: Server, progress: Callable[[str], None]
) -> Section:
    """Measure a closed load of the largest number of clients on both servers.

    Args:
        plan: of the benchmark.
        materials: that `server` serves; the server with keys serves them as well.
        server: has no keys.
        progress: is called with the name of each load that begins.
    """
    key, text = new_key("bench", ["infer"], datetime.now(UTC), images_per_second=1e6)
    file = materials.folder / "keys.json"
    write(file, KeyFile(keys=(key,)))
    shown = {"Authorization": f"Bearer {text}"}
    with facet(materials, shown, max_batch=plan.batch, keys_file=file) as guarded:

        def load(name: str, on: Server, headers: Mapping[str, str]) -> dict[str, float]:
            on.check()
            progress(name)
            asked = targets(materials.tasks, headers=headers)
            arrivals = Closed(max(plan.clients))
            return summary(generate(load_plan(on, materials, asked, arrivals, plan.seconds)))

        contenders = {
            WITHOUT: partial(load, WITHOUT, server, {}),
            WITH: partial(load, WITH, guarded, shown),
        }
        rounds = in_turns(contenders, rounds=plan.rounds)
    found = {name: spreads(values) for name, values in rounds.items()}
    plain = found[WITHOUT]["images_per_second"]
    records: list[Record] = [
        {"what": name, "of_plain": values["images_per_second"].over(plain)} | values
        for name, values in found.items()
    ]
    columns = [Column.of("what"), *COLUMNS, Column.of("of_plain", "of that without", 3)]
    return Section("Keys", records, columns, [generator_note(records)])
