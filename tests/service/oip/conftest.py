"""Live servers with tasks, and the protocol's real clients: REST and gRPC, blocking and asyncio."""

import asyncio
import inspect
import socket
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from facet_vision.prompts_store import TaskFile
from tests.service.support.app import DEPTH, small_backbone, task_file, upload
from tests.service.support.processes import small_server

SMALL = small_backbone()
LABELS = ["cat", "dog", "eel"]


def pets(seed: int = 2) -> TaskFile:
    """A task with prompts, whose answer depends on the image."""
    return task_file(SMALL, "pets", layers=DEPTH, labels=LABELS, seed=seed)


@dataclass(frozen=True)
class Live:
    """A server at two addresses."""

    http: str
    grpc: str

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://{self.http}", timeout=30)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture(scope="module", params=[0, 1], ids=["alone", "with-worker"])
def live(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    port = free_port()
    store = tmp_path_factory.mktemp("store")
    settings = {"grpc_port": port, "max_images": 8}
    with small_server(store, http_workers=request.param, **settings) as server:
        found = Live(f"{server.host}:{server.port}", f"127.0.0.1:{port}")
        with found.client() as client:
            for name in ("pets", "other"):
                data = pets() if name == "pets" else task_file(SMALL, name, seed=5)
                assert upload(client, data).status_code == 201
        yield found


@dataclass(frozen=True)
class Triton:
    """One of the clients, called alike: each call is made and awaited by its name.

    Attributes:
        kind: its module.
        make: a client.
    """

    kind: Any
    make: Callable[[], Any]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            return asyncio.run(self._call(name, arguments, options))

        return call

    async def _call(self, name: str, arguments: Any, options: Any) -> Any:
        client = self.make()
        try:
            found = getattr(client, name)(*arguments, **options)
            return await found if inspect.isawaitable(found) else found
        finally:
            closed = client.close()
            if inspect.isawaitable(closed):
                await closed

    @property
    def is_grpc(self) -> bool:
        return "grpc" in self.kind.__name__

    def document(self, name: str, *arguments: Any) -> Any:
        """What a call answers, as plain data."""
        options = {"as_json": True} if self.is_grpc else {}
        return getattr(self, name)(*arguments, **options)

    def input(self, name: str, shape: list[int], datatype: str, data: Any, **options: Any) -> Any:
        tensor = self.kind.InferInput(name, shape, datatype)
        tensor.set_data_from_numpy(data, **options)
        return tensor

    def output(self, name: str, **options: Any) -> Any:
        return self.kind.InferRequestedOutput(name, **options)


@pytest.fixture(params=["http", "http.aio", "grpc", "grpc.aio"])
def triton(request: pytest.FixtureRequest, live: Live) -> Triton:
    pytest.importorskip("tritonclient", reason="the extra dev is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of protobuf, about the age of the client's stubs
        module = pytest.importorskip(f"tritonclient.{request.param}")
        kind = pytest.importorskip(f"tritonclient.{request.param.removesuffix('.aio')}")
    address = live.grpc if "grpc" in request.param else live.http
    return Triton(kind, lambda: module.InferenceServerClient(address))
