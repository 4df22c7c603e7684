"""What options of a server cost: the same load on it as it is and with one of them, in turns.

All servers run all the time, on the same tasks; those that are not loaded sleep.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from facet_vision.bench.measuring.timing import in_turns
from facet_vision.bench.reporting.report import Column, Record, Section
from facet_vision.bench.servers.materials import Materials
from facet_vision.bench.servers.processes import Server
from facet_vision.bench.servers.serving import (
    COLUMNS,
    NO_HEADERS,
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

PLAIN, KEYS, TRACES = "as it is", "with keys", "with traces"


def options_section(
    plan: HttpPlan, materials: Materials, server: Server, progress: Callable[[str], None]
) -> Section:
    """Measure a closed load of the largest number of clients on servers with options.

    Args:
        plan: of the benchmark; its `keys` and `traces` say which options.
        materials: that `server` serves; the others serve them as well.
        server: has none of the options.
        progress: is called with the name of each load that begins.
    """

    def load(name: str, on: Server, headers: Mapping[str, str]) -> dict[str, float]:
        on.check()
        progress(name)
        asked = targets(materials.tasks, headers=headers)
        arrivals = Closed(max(plan.clients))
        return summary(generate(load_plan(on, materials, asked, arrivals, plan.seconds)))

    contenders = {PLAIN: partial(load, PLAIN, server, NO_HEADERS)}
    notes = []
    with ExitStack() as stack:
        if plan.keys:
            file, headers = _keys(materials)
            guarded = facet(materials, headers, max_batch=plan.batch, keys_file=file)
            contenders[KEYS] = partial(load, KEYS, stack.enter_context(guarded), headers)
        if plan.traces:
            collector = stack.enter_context(_collector())
            traced = facet(
                materials,
                max_batch=plan.batch,
                trace_endpoint=collector.url,
                trace_ratio=plan.traces,
            )
            contenders[TRACES] = partial(load, TRACES, stack.enter_context(traced), NO_HEADERS)
        rounds = in_turns(contenders, rounds=plan.rounds)
    if plan.traces:
        notes = [
            f"{plan.traces:.0%} of the requests are traced; the collector, a thread of the "
            f"benchmark, was sent {collector.received / 1e3:.0f} kB."
        ]
    found = {name: spreads(values) for name, values in rounds.items()}
    plain = found[PLAIN]["images_per_second"]
    records: list[Record] = [
        {"what": name, "of_plain": values["images_per_second"].over(plain)} | values
        for name, values in found.items()
    ]
    columns = [Column.of("what"), *COLUMNS, Column.of("of_plain", "of that as it is", 3)]
    return Section("Options", records, columns, [generator_note(records), *notes])


def _keys(materials: Materials) -> tuple[str, dict[str, str]]:
    """Write a file of one key; return its path and the headers that show the key."""
    key, text = new_key("bench", ["infer"], datetime.now(UTC), images_per_second=1e6)
    file = materials.folder / "keys.json"
    write(file, KeyFile(keys=(key,)))
    return str(file), {"Authorization": f"Bearer {text}"}


class _Collector(ThreadingHTTPServer):
    """Takes traces and throws them away.

    Attributes:
        received: bytes so far.
    """

    received = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/traces"


class _Export(BaseHTTPRequestHandler):
    server: _Collector

    def do_POST(self) -> None:
        self.server.received += len(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _collector() -> Iterator[_Collector]:
    with _Collector(("127.0.0.1", 0), _Export) as collector:
        Thread(target=collector.serve_forever, daemon=True).start()
        yield collector
        collector.shutdown()
