"""Running the application: the socket, the first lines on the terminal, and the way out."""

import copy
import gc
import logging
import shlex
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from types import FrameType
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI
from uvicorn.config import LOGGING_CONFIG

from backbone import Backbone
from prompts_store import Store, builtin, open_store

from .app import create_app, load_backbone
from .core import Core
from .cores import engine_threads
from .listing import Listed
from .settings import Settings, SettingsError, check_exposure
from .transport import Protocol

logger = logging.getLogger("facet.service")

FIRST_TASKS = 20
"""Tasks that the first lines on the terminal describe."""

KEEP_ALIVE_SECONDS = 75  # longer than the usual 60 of proxies, so that they close idle connections and we do not


def run(
    settings: Settings,
    *,
    store: Store | None = None,
    backbone: Backbone | None = None,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve until SIGINT or SIGTERM, then finish what was admitted and return.

    Args:
        settings: where to listen and what to serve.
        store, backbone: used in place of those that the settings name.
        announce: is given the text for the terminal once requests are taken.

    Raises:
        SettingsError: the address cannot be listened on.
        BackboneError, StoreError: the backbone or the store cannot be had.
    """
    check_exposure(settings)
    most = torch.get_num_threads()
    torch.set_num_threads(1)  # this thread's part: it should have no pool of its own, see `Core`
    with _bind(settings) as listener:  # before anything slow: a taken port should be told at once
        backbone = backbone or load_backbone(settings)
        store = store or open_store(settings.store)
        store.check_reachable()  # one that is not is told here, in a sentence
        if settings.builtin:
            builtin.seed(store, backbone)
        threads = settings.engine_threads or engine_threads(backbone, most)
        settings = settings.model_copy(update={"engine_threads": threads})
        app = create_app(settings, store=store, backbone=backbone)
        address = _address(settings.host, listener)

        async def tell() -> None:
            announce(await banner(app.state.core, address))

        _serve(_Server(_config(app, settings), app, tell), listener)


def _serve(server: "_Server", listener: socket.socket) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises the signal again once it has shut down
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        return
    except OSError as error:
        raise SettingsError(f"port: expected one to listen on, found: {error}") from error


async def banner(core: Core, address: str) -> str:
    """What a person wants to know first: the address, the first tasks, and a line to try."""
    backbone, listed, more = core.backbone, await core.listing.page("", FIRST_TASKS), len(core.listing) - FIRST_TASKS
    live = sum(one.manifest is not None for one in listed)
    what = f"a store of {len(core.listing)} tasks" if more > 0 else f"{live} tasks"
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


def _bind(settings: Settings) -> socket.socket:
    """Take the port; connections are accepted only once the server is ready."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with ExitStack() as unless_bound:
            listener = unless_bound.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
            unless_bound.pop_all()
    except OSError as error:
        raise SettingsError(
            f"port: expected a free one at {settings.host}, found {settings.port} not to be had ({error.strerror})"
        ) from None
    return listener


def _address(host: str, listener: socket.socket) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def _config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=_logging(settings.log_level.upper()),
        http=Protocol,
        access_log=settings.log_level in ("debug", "info"),
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds,
        server_header=False,
    )


def spare_the_collector() -> None:
    """Take what was made so far out of Python's garbage collection: it stays for as long as the process.

    PyTorch and the rest are some 400,000 objects. To look through them again and again would halt every request for
    hundreds of milliseconds each time.
    """
    gc.collect()
    gc.freeze()


def _logging(level: str) -> dict[str, Any]:
    config = copy.deepcopy(LOGGING_CONFIG)
    config["loggers"]["facet"] = {"handlers": ["default"], "propagate": False}
    for name in config["loggers"]:
        config["loggers"][name]["level"] = level
    return config


class _Server(uvicorn.Server):
    """uvicorn's server that says when it is ready, and tells the application of a shutdown at once."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, on_ready: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._app, self._on_ready = app, on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            spare_the_collector()
            await self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._app.state.core.drain()
        super().handle_exit(sig, frame)
