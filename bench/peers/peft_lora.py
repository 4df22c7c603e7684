"""PEFT: one timm model with a LoRA adapter and a classifier per task, mixed in a batch.

As in PEFT's LoRA guide ("Inference with different LoRA adapters in the same batch"):
`adapter_names` has a name for each image, and `modules_to_save` gives every adapter a classifier
of its own. Rank 16 on the attention's input projection is that of PEFT's guide to image
classification. PEFT has no server; LitServe batches and serves.
"""

from typing import Annotated, Any

import litserve
import torch
from fastapi import Depends, Request
from peft import LoraConfig, get_peft_model
from torch import Tensor

from .litserve_timm import BATCH_TIMEOUT_SECONDS
from .models import DTYPES, build, decoder, device
from .work import Work, answer, read_work

RANK = 16


async def read(request: Request) -> tuple[str, bytes]:
    """Read the task and the image of a request."""
    return request.query_params["task"], await request.body()


def with_adapters(work: Work) -> Any:
    """Build one network with an adapter for each task.

    Adapters are random, as trained ones would be; PEFT's default starts with zeros.
    """
    first, *others = work.tasks
    options: dict[str, Any] = {
        "target_modules": ["qkv"],
        "modules_to_save": ["head"],
        "init_lora_weights": False,
    }
    config = LoraConfig(r=RANK, **options)
    model = get_peft_model(build(work, first), config, adapter_name=first)
    for task in others:
        model.add_adapter(task, config)
    return model.eval().requires_grad_(False).to(device(), DTYPES[work.dtype])


class MixedAPI(litserve.LitAPI):
    """One endpoint for all tasks."""

    def __init__(self, work: Work) -> None:
        super().__init__(max_batch_size=work.batch, batch_timeout=BATCH_TIMEOUT_SECONDS)
        self._work = work

    def setup(self, _: Any) -> None:
        self._model = with_adapters(self._work)
        self._decode = decoder(self._model.get_base_model())

    def decode_request(
        self, request: Annotated[tuple[str, bytes], Depends(read)]
    ) -> tuple[str, Tensor]:
        task, image = request
        return task, self._decode(image)

    @torch.inference_mode()
    def predict(self, x: list[tuple[str, Tensor]]) -> list[tuple[str, list[float]]]:
        tasks = [task for task, _ in x]
        images = torch.stack([image for _, image in x]).to(device(), DTYPES[self._work.dtype])
        scores = self._model(images, adapter_names=tasks).float().softmax(-1).tolist()
        return list(zip(tasks, scores, strict=True))

    def encode_response(self, output: tuple[str, list[float]]) -> Any:
        return answer(*output)


if __name__ == "__main__":
    work = read_work()
    server = litserve.LitServer(MixedAPI(work), timeout=120)
    server.run(host="127.0.0.1", port=work.port, log_level="warning", generate_client_file=False)
