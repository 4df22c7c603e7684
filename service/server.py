"""The server: in one process, or with HTTP workers."""

import logging.config
from collections.abc import Callable

import torch
from fastapi import FastAPI

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import Store, builtin, open_store
from facet_vision.service.engine.threads import engine_threads, engine_workers
from facet_vision.service.http.app import Beside, create_app, load_backbone
from facet_vision.service.http.server.logs import log_config
from facet_vision.service.http.server.shedding import Shedding
from facet_vision.service.http.server.sockets import address_of, bind, path_removed
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
    """Serve until SIGINT or SIGTERM, then finish admitted requests and return.

    Args:
        settings: where to listen and what to serve.
        store, backbone: used in place of those that the settings name.
        announce: is called with the text for the terminal once requests are taken.

    Raises:
        SettingsError: the address cannot be listened on.
        BackboneError, StoreError: the backbone or the store cannot be had.
    """
    check_exposure(settings)
    logging.config.dictConfig(log_config(settings))

    def make() -> FastAPI:
        return _application(settings, store, backbone)

    if settings.http_workers:
        supervise(settings, make, announce)
    else:
        _serve_alone(settings, make, announce)


def _serve_alone(
    settings: Settings, make: Callable[[], FastAPI], announce: Callable[[str], None]
) -> None:
    # The port first: an application takes seconds to make, and a port in use is reported at once.
    with bind(settings) as listener, path_removed(settings):
        app = make()
        components: Components = app.state.components

        async def ready() -> None:
            components.end_when_hung()
            announce(await banner(components, address_of(settings, listener)))

        shed = Shedding(
            components.context.predictor.refusal,
            components.metrics,
            components.keys,
            components.tracing,
        )
        server = HttpServer(
            app,
            settings,
            on_ready=ready,
            on_exit=components.drain,
            shed=shed,
            count_rejection=components.metrics.count_rejection,
        )
        server.serve_until_stopped([listener])


def _application(settings: Settings, store: Store | None, backbone: Backbone | None) -> FastAPI:
    cores = torch.get_num_threads()
    # Every thread that computes in parallel gets a pool of OpenMP threads. Only the engine's
    # threads shall have one (see `Components.running`), and this thread is none of them.
    torch.set_num_threads(1)
    backbone = backbone or load_backbone(settings)
    store = store or open_store(settings.store)
    store.check_reachable()  # raises one sentence, before anything else is tried
    if settings.builtin:
        builtin.seed(store, backbone)
    threads = settings.engine_threads or engine_threads(backbone, cores)
    workers = settings.engine_workers or engine_workers(
        backbone, cores, threads, settings.http_workers
    )
    chosen = {"engine_threads": threads, "engine_workers": workers}
    beside: Beside | None = None
    if settings.grpc_port is not None:
        from facet_vision.service.grpc.server import serving  # only where it is wanted

        beside = serving
    return create_app(
        settings.model_copy(update=chosen), store=store, backbone=backbone, beside=beside
    )
