"""The first lines that the server prints."""

import shlex
from collections.abc import Sequence

from facet_vision.prompts_store import builtin
from facet_vision.service.client.words import describe
from facet_vision.service.http.schemas import TaskSummary
from facet_vision.service.residency.listing import Listed

from .components import Components
from .settings import Settings

FIRST_TASKS = 20
"""How many tasks the first lines describe."""


async def banner(components: Components, address: str) -> str:
    """Describe what is served and where, with a command to try.

    Args:
        components: of the server.
        address: its URL; that of a Unix socket leaves out the socket.

    Returns:
        Several lines, without a newline at the end.
    """
    listed = await components.listing.page("", FIRST_TASKS)
    more = len(components.listing) - FIRST_TASKS
    width = max((len(one.task) for one in listed), default=0)
    settings = components.settings
    where = f"unix:{settings.unix_socket}" if settings.unix_socket else address
    lines = [_headline(components, listed, where)]
    if components.backbone.resampled:
        lines.append(f"  {components.backbone.resampled}")
    lines += [f"  {one.task:<{width}}  {_describe(one)}" for one in listed]
    if more > 0:
        lines.append(f"  and {more} more")
    lines += ["", *_try(listed, address, settings), f"API: {address}/docs   Stop: Ctrl-C"]
    return "\n".join(lines)


def _headline(components: Components, listed: Sequence[Listed], address: str) -> str:
    backbone = components.backbone
    total = len(components.listing)
    live = sum(one.manifest is not None for one in listed)
    # Beyond the listed tasks it is not known yet which are live.
    what = f"a store of {total} tasks" if total > FIRST_TASKS else f"{live} tasks"
    how = f"{backbone.device}, {str(backbone.dtype).removeprefix('torch.')}, {backbone.execution}"
    return f"Facet serves {what} on {backbone.name} ({how}) at {address}"


def _describe(listed: Listed) -> str:
    return describe(TaskSummary.model_validate(listed).model_dump())


def _try(listed: Sequence[Listed], address: str, settings: Settings) -> list[str]:
    """Return a command to try.

    It is a curl line that works as it stands if a live task has a sample image, else an upload.
    """
    for one in listed:
        samples = builtin.samples(one.task) if one.manifest else ()
        if samples:
            path = shlex.quote(str(samples[0]))
            url = f"{address}/v1/tasks/{one.task}/predict"
            told = f"{_options(settings)}-H 'Content-Type: image/png' --data-binary @{path} {url}"
            return ["Try:", f"  curl {told}", ""]
    return ["Add a task:", f"  facet push TASK.safetensors --to {address}", ""]


def _options(settings: Settings) -> str:
    """Return what curl needs to get in: the socket, and a key from the variable of our commands."""
    options = ""
    if settings.unix_socket:
        options += f"--unix-socket {shlex.quote(str(settings.unix_socket))} "
    if settings.has_keys:
        options += '-H "Authorization: Bearer $FACET_KEY" '
    return options
