"""ONNX Runtime with one session per task, behind FastAPI; the process needs no PyTorch.

ONNX Runtime's manual ("Thread management") leaves the threads of many sessions to the caller:
here one thread for each run, and as many runs at once as there are cores. All graph optimizations
are on, which is the default.
"""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio.to_thread
import numpy as np
import onnxruntime
import uvicorn
from fastapi import Body, FastAPI
from numpy.typing import NDArray
from PIL import Image

from .work import ONNX_CONFIG, ONNX_NETWORK, Work, answer, cores, read_work


def create(work: Work) -> FastAPI:
    """Create the application."""
    config = json.loads((work.folder / ONNX_CONFIG).read_text())
    sessions: dict[str, onnxruntime.InferenceSession] = {}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = cores()
        sessions.update({task: _session(work) for task in work.tasks})
        yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/{task}")
    def predict(
        task: str, image: Annotated[bytes, Body(media_type="image/jpeg")]
    ) -> dict[str, Any]:
        session = sessions[task]
        [[logits]] = session.run(None, {session.get_inputs()[0].name: _decode(image, config)[None]})
        exponents = np.exp(logits - logits.max())
        return answer(task, (exponents / exponents.sum()).tolist())

    return app


def _session(work: Work) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        work.folder / ONNX_NETWORK, options, onnxruntime.get_available_providers()
    )


def _decode(data: bytes, config: dict[str, Any]) -> NDArray[Any]:
    """Resize the short side, crop the centre, normalise: timm's transform without PyTorch."""
    _, height, width = config["input_size"]
    image = Image.open(io.BytesIO(data)).convert("RGB")
    scale = height / config["crop_pct"] / min(image.size)
    image = image.resize(
        (round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC
    )
    left, top = (image.width - width) // 2, (image.height - height) // 2
    pixels = np.asarray(image.crop((left, top, left + width, top + height)), dtype=np.float32) / 255
    mean, std = (np.asarray(config[name], dtype=np.float32) for name in ("mean", "std"))
    normal: NDArray[Any] = ((pixels - mean) / std).transpose(2, 0, 1)
    return normal


if __name__ == "__main__":
    work = read_work()
    uvicorn.run(create(work), port=work.port, log_level="warning")
