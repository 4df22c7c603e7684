"""How each client asks a task for the answer to an encoded image."""

import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from typing import Any

import numpy as np

from facet_vision.service.client.async_client import AsyncClient

Call = Callable[[str, bytes], Awaitable[object]]
"""From a task and an encoded image to the answer."""

Caller = Callable[[str, int], AbstractAsyncContextManager[Call]]
"""From the server's address without a scheme, and how many calls there are at once."""

INPUT, OUTPUT = "image", "probabilities"


@asynccontextmanager
async def _ours(address: str, _: int) -> AsyncIterator[Call]:
    async with AsyncClient(f"http://{address}") as client:

        async def call(task: str, image: bytes) -> object:
            return await client.predict(task, image)

        yield call


@asynccontextmanager
async def _triton_http(address: str, most: int) -> AsyncIterator[Call]:
    module = import_module("tritonclient.http.aio")
    async with module.InferenceServerClient(address, conn_limit=most) as client:
        yield _infer(client, module, binary_data=True)


@asynccontextmanager
async def _triton_grpc(address: str, _: int) -> AsyncIterator[Call]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of protobuf, about the age of the client's stubs
        module = import_module("tritonclient.grpc.aio")
    async with module.InferenceServerClient(address) as client:
        yield _infer(client, module)


def _infer(client: Any, module: Any, **options: object) -> Call:
    async def call(task: str, image: bytes) -> object:
        tensor = module.InferInput(INPUT, [1], "BYTES")
        tensor.set_data_from_numpy(np.array([image], dtype=np.object_), **options)
        answer = await client.infer(task, [tensor])
        return answer.as_numpy(OUTPUT)

    return call


OURS = "AsyncClient"
CALLERS: Mapping[str, Caller] = {
    OURS: _ours,
    "tritonclient.http.aio": _triton_http,
    "tritonclient.grpc.aio": _triton_grpc,
}
"""All of them, by the name of their module."""
