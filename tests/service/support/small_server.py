"""A real server process with the small backbone, for the tests that kill, stop or load one.

    python -m tests.service.support.small_server PORT STORE [SECONDS]
        serve, with FACET_* variables for the other settings; with SECONDS, every forward takes at
        least that long

    python -m tests.service.support.small_server
        read lines "PORT STORE" and fork a server for each, which has nothing left to import

Each server prints `pid N` and then its banner.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence

import torch
import uvicorn
from fastapi import FastAPI

from facet_vision.backbone import Adaptation, Backbone
from facet_vision.service.server import run
from facet_vision.service.settings import read_settings
from tests.service.support.app import small_backbone


def serve(port: str, store: str, forward_seconds: str = "0") -> None:
    torch.set_num_threads(1)
    settings = read_settings({"port": int(port), "store": store, "builtin": False})
    print("pid", os.getpid(), flush=True)
    backbone = small_backbone()
    slow_down(backbone, float(forward_seconds))
    run(settings, backbone=backbone, announce=lambda text: print(text, flush=True))


def slow_down(backbone: Backbone, seconds: float) -> None:
    forward = backbone.features_mixed

    def features_mixed(
        images: torch.Tensor, groups: Sequence[tuple[Adaptation, int]]
    ) -> torch.Tensor:
        time.sleep(seconds)
        return forward(images, groups)

    backbone.features_mixed = features_mixed  # type: ignore[method-assign]


def fork_servers() -> None:
    # uvicorn imports its parts once a configuration is loaded.
    config = uvicorn.Config(FastAPI(), log_config=None)
    config.load()
    config.get_loop_factory()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the killed servers
    for line in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(*line.split())
            os._exit(0)


if __name__ == "__main__":
    serve(*sys.argv[1:]) if len(sys.argv) > 1 else fork_servers()
