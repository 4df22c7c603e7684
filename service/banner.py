"""The first lines on the terminal."""

import shlex
from collections.abc import Sequence

from facet_vision.prompts_store import builtin
from facet_vision.service.residency.listing import Listed

from .components import Components

FIRST_TASKS = 20
"""Tasks that the first lines describe."""


async def banner(components: Components, address: str) -> str:
    """What a person wants to know first: the address, the first tasks, and a line to try."""
    backbone, listed, more = (
        components.backbone,
        await components.listing.page("", FIRST_TASKS),
        len(components.listing) - FIRST_TASKS,
    )
    live = sum(one.manifest is not None for one in listed)
    what = f"a store of {len(components.listing)} tasks" if more > 0 else f"{live} tasks"
    how = f"{backbone.device}, {str(backbone.dtype).removeprefix('torch.')}, {backbone.execution}"
    lines = [f"Facet serves {what} on {backbone.name} ({how}) at {address}"]
    width = max((len(one.entry.name) for one in listed), default=0)
    lines += [f"  {one.entry.name:<{width}}  {_describe(one)}" for one in listed]
    lines += [f"  and {more} more"] if more > 0 else []
    lines += ["", *_try(listed, address), f"API: {address}/docs   Stop: Ctrl-C"]
    return "\n".join(lines)


def _describe(listed: Listed) -> str:
    entry, manifest = listed.entry, listed.manifest
    if manifest is None:
        return f"not served: {entry.reason}" if entry.reason else "not live"
    metrics = ", ".join(f"{name} {value:.3f}" for name, value in list(manifest.metrics.items())[:1])
    return f"version {entry.live}, {manifest.method}, {len(manifest.labels)} labels{metrics and ', '}{metrics}"


def _try(listed: Sequence[Listed], address: str) -> list[str]:
    """A curl line that works as it stands, if one of the tasks that are live has a sample image."""
    for one in listed:
        for sample in builtin.samples(one.entry.name)[:1] if one.manifest else ():
            path, url = shlex.quote(str(sample)), f"{address}/v1/tasks/{one.entry.name}/predict"
            return ["Try:", f"  curl -H 'Content-Type: image/png' --data-binary @{path} {url}", ""]
    return ["Add a task:", f"  facet push TASK.safetensors --to {address}", ""]
