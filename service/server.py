"""Running the server: in one process, or with HTTP workers of their own."""

from collections.abc import Callable

import torch
from fastapi import FastAPI

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Store, builtin, open_store
from facet_vision.service.engine.threads import engine_threads, engine_workers
from facet_vision.service.http.app import create_app, load_backbone
from facet_vision.service.http.server.shedding import Shedding
from facet_vision.service.http.server.sockets import address_of, bind
from facet_vision.service.http.server.uvicorn_server import HttpServer
from facet_vision.service.workers.supervisor import supervise

from .banner import banner
from .components import Components
from .settings import Settings, check_exposure


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

    if settings.http_workers:
        supervise(settings, make, announce)
    else:
        _serve_alone(settings, make, announce)


def _serve_alone(
    settings: Settings, make: Callable[[], FastAPI], announce: Callable[[str], None]
) -> None:
    with bind(settings) as listener:  # before anything slow: a taken port should be told at once
        app = make()

        async def tell() -> None:
            announce(await banner(app.state.components, address_of(settings, listener)))

        components: Components = app.state.components
        shed = Shedding(components.context.predictor.refusal, components.metrics)
        HttpServer(
            app, settings, on_ready=tell, on_exit=components.drain, shed=shed
        ).serve_until_stopped([listener])


def _application(settings: Settings, store: Store | None, backbone: Backbone | None) -> FastAPI:
    most = torch.get_num_threads()
    torch.set_num_threads(
        1
    )  # this thread's part: it should have no pool of its own, see `Components`
    backbone = backbone or load_backbone(settings)
    store = store or open_store(settings.store)
    store.check_reachable()  # one that is not is told here, in a sentence
    if settings.builtin:
        builtin.seed(store, backbone)
    threads = settings.engine_threads or engine_threads(backbone, most)
    workers = settings.engine_workers or engine_workers(
        backbone, most, threads, settings.http_workers
    )
    found = {"engine_threads": threads, "engine_workers": workers}
    return create_app(settings.model_copy(update=found), store=store, backbone=backbone)
