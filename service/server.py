"""Running the server: in one process, or with front ends of their own."""

from collections.abc import Callable

import torch
from fastapi import FastAPI

from backbone import Backbone
from prompts_store import Store, builtin, open_store

from .app import create_app, load_backbone
from .banner import banner
from .core import Core
from .cores import engine_threads, engine_workers
from .frontend.supervisor import supervise
from .http_server import HttpServer
from .listening import address_of, bind
from .settings import Settings, check_exposure
from .shedding import Shedding


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

    def make() -> FastAPI:
        return _application(settings, store, backbone)

    if settings.front_ends:
        supervise(settings, make, announce)
    else:
        _serve_alone(settings, make, announce)


def _serve_alone(settings: Settings, make: Callable[[], FastAPI], announce: Callable[[str], None]) -> None:
    with bind(settings) as listener:  # before anything slow: a taken port should be told at once
        app = make()

        async def tell() -> None:
            announce(await banner(app.state.core, address_of(settings, listener)))

        core: Core = app.state.core
        shed = Shedding(core.front.predictor.refusal, core.metrics)
        HttpServer(app, settings, on_ready=tell, on_exit=core.drain, shed=shed).serve_until_stopped([listener])


def _application(settings: Settings, store: Store | None, backbone: Backbone | None) -> FastAPI:
    most = torch.get_num_threads()
    torch.set_num_threads(1)  # this thread's part: it should have no pool of its own, see `Core`
    backbone = backbone or load_backbone(settings)
    store = store or open_store(settings.store)
    store.check_reachable()  # one that is not is told here, in a sentence
    if settings.builtin:
        builtin.seed(store, backbone)
    threads = settings.engine_threads or engine_threads(backbone, most)
    workers = settings.engine_workers or engine_workers(backbone, most, threads, settings.front_ends)
    found = {"engine_threads": threads, "engine_workers": workers}
    return create_app(settings.model_copy(update=found), store=store, backbone=backbone)
