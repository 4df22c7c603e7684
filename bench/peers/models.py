"""timm models as the peers load them: one whole network per task, its classifier included."""

import io
from collections.abc import Callable, Sequence

import safetensors.torch
import timm
import torch
from PIL import Image
from torch import Tensor, nn

from .work import Work

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def device() -> torch.device:
    """Return the accelerator if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build(work: Work, task: str) -> nn.Module:
    """Build the task's fine-tuned network: own copies of all weights, and an own classifier.

    The copies have equal values, which makes no difference to time and memory.
    """
    torch.manual_seed(work.tasks.index(task))
    model = timm.create_model(_registered(work.backbone), pretrained=False, num_classes=work.labels)
    model.load_state_dict(safetensors.torch.load_file(work.checkpoint), strict=False)
    return model.eval().requires_grad_(False).to(device(), DTYPES[work.dtype])


def decoder(model: nn.Module) -> Callable[[bytes], Tensor]:
    """Return timm's own evaluation transform, from a file's bytes to an input."""
    transform = timm.data.create_transform(
        **timm.data.resolve_data_config(model=model), is_training=False
    )

    def decode(data: bytes) -> Tensor:
        tensor: Tensor = transform(Image.open(io.BytesIO(data)).convert("RGB"))
        return tensor

    return decode


@torch.inference_mode()
def probabilities(work: Work, model: nn.Module, images: Sequence[Tensor]) -> list[list[float]]:
    """Return the probabilities of each image."""
    batch = torch.stack(list(images)).to(device(), DTYPES[work.dtype])
    scores: list[list[float]] = model(batch).float().softmax(-1).tolist()
    return scores


def _registered(name: str) -> str:
    """Return a backbone's name in timm's registry."""
    if name != "facet-tiny":
        return name
    from facet_vision.backbone import tiny  # noqa: F401  # registers it with timm

    return "facet_tiny"
