"""LitServe with one fine-tuned timm model, endpoint and batching per task.

LitServe's manual has a `LitAPI` for each model in one `LitServer` ("Multiple API endpoints on one
port"), with `max_batch_size` and `batch_timeout` on each ("Batching"). Every endpoint has a worker
process of its own, so each computes with one thread.
"""

from typing import Annotated, Any

import litserve
import torch
from fastapi import Body
from torch import Tensor

from .models import build, decoder, probabilities
from .work import Work, answer, read_work

BATCH_TIMEOUT_SECONDS = 0.01
"""Time that a batch waits for more; LitServe's examples have 0.01 to 0.05."""


class TaskAPI(litserve.LitAPI):
    """One task's endpoint."""

    def __init__(self, work: Work, task: str) -> None:
        super().__init__(
            max_batch_size=work.batch, batch_timeout=BATCH_TIMEOUT_SECONDS, api_path=f"/{task}"
        )
        self._work = work
        self._task = task

    def setup(self, _: Any) -> None:
        torch.set_num_threads(1)
        self._model = build(self._work, self._task)
        self._decode = decoder(self._model)

    def decode_request(self, request: Annotated[bytes, Body(media_type="image/jpeg")]) -> Tensor:
        return self._decode(request)

    def predict(self, x: Tensor) -> list[list[float]]:
        return probabilities(self._work, self._model, list(x))

    def encode_response(self, output: list[float]) -> Any:
        return answer(self._task, output)


if __name__ == "__main__":
    work = read_work()
    server = litserve.LitServer([TaskAPI(work, task) for task in work.tasks], timeout=120)
    server.run(host="127.0.0.1", port=work.port, log_level="warning", generate_client_file=False)
