"""Export of the network that all sessions of the ONNX peer load.

Networks of tasks differ only in values, which make no difference to time and memory.
"""

import json
import warnings

import timm
import torch

from .models import build
from .work import ONNX_CONFIG, ONNX_NETWORK, Work, read_work


def export(work: Work) -> None:
    """Write the network for one image, and the configuration of its inputs."""
    model = build(work, work.tasks[0]).cpu()
    config = timm.data.resolve_data_config(model=model)
    image = torch.zeros(1, *config["input_size"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's remarks about itself
        torch.onnx.export(
            model,
            (image,),
            work.folder / ONNX_NETWORK,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    inputs = {name: config[name] for name in ("input_size", "mean", "std", "crop_pct")}
    (work.folder / ONNX_CONFIG).write_text(json.dumps(inputs))


if __name__ == "__main__":
    export(read_work())
