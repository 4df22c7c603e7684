"""Ray Serve with model multiplexing and batching.

As in Ray Serve's manual ("Model Multiplexing", "Using model multiplexing with batching"): one
replica loads models by the id in the request's header and holds all of them, a batch has requests
of one model, and blocking calls run in threads ("Asyncio and concurrency best practices"). The
replica has all cores; Ray sets the threads accordingly. Requests are not logged, as with the
other servers.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import ray
from ray import serve
from starlette.requests import Request
from torch import Tensor, nn

from .models import build, decoder, probabilities
from .work import Work, answer, cores, read_work

BATCH_TIMEOUT_SECONDS = 0.01


def application(work: Work) -> Any:
    """Create the deployment, bound to its work."""

    class Tasks:
        @serve.multiplexed(max_num_models_per_replica=len(work.tasks))
        async def model(self, task: str) -> tuple[nn.Module, Callable[[bytes], Tensor]]:
            model = await asyncio.to_thread(build, work, task)
            return model, decoder(model)

        @serve.batch(max_batch_size=work.batch, batch_wait_timeout_s=BATCH_TIMEOUT_SECONDS)
        async def predict(self, images: list[Tensor]) -> list[list[float]]:
            model, _ = await self.model(serve.get_multiplexed_model_id())
            return await asyncio.to_thread(probabilities, work, model, images)

        async def __call__(self, request: Request) -> dict[str, Any]:
            task = serve.get_multiplexed_model_id()
            _, decode = await self.model(task)
            image = await asyncio.to_thread(decode, await request.body())
            return answer(task, await self.predict(image))

    options = {"max_ongoing_requests": 16 * work.batch, "ray_actor_options": {"num_cpus": cores()}}
    return serve.deployment(**options)(Tasks).bind()


if __name__ == "__main__":
    work = read_work()
    ray.init(include_dashboard=False, logging_level=logging.WARNING, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": work.port})
    serve.run(application(work), blocking=True, logging_config={"enable_access_log": False})
