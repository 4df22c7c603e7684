"""FastAPI with one fine-tuned timm model per task.

Blocking work stands in plain `def` functions, which FastAPI runs in its thread pool, and models are
loaded in the lifespan (FastAPI's manual, "Concurrency" and "Lifespan Events"). As many forwards run
at once as there are cores, with one thread each: PyTorch's manual on CPU threading warns of more.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio.to_thread
import torch
import uvicorn
from fastapi import Body, FastAPI
from torch import nn

from .models import build, decoder, probabilities
from .work import Work, answer, cores, read_work


def create(work: Work) -> FastAPI:
    """Create the application."""
    models: dict[str, nn.Module] = {}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        torch.set_num_threads(1)
        anyio.to_thread.current_default_thread_limiter().total_tokens = cores()
        models.update({task: build(work, task) for task in work.tasks})
        app.state.decode = decoder(models[work.tasks[0]])
        yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/{task}")
    def predict(
        task: str, image: Annotated[bytes, Body(media_type="image/jpeg")]
    ) -> dict[str, Any]:
        [scores] = probabilities(work, models[task], [app.state.decode(image)])
        return answer(task, scores)

    return app


if __name__ == "__main__":
    work = read_work()
    uvicorn.run(create(work), port=work.port, log_level="warning")
