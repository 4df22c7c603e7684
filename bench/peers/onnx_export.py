"""Export of the network that all sessions of the ONNX peer load.

Networks of tasks differ only in values, which make no difference to time and memory.
"""

import json

import timm

from facet_vision.training.exchange.onnx_export import LOGITS, exported

from .models import build
from .work import ONNX_CONFIG, ONNX_NETWORK, Work, read_work


def export(work: Work) -> None:
    """Write the network for one image, and the configuration of its inputs."""
    model = build(work, work.tasks[0]).cpu()
    config = timm.data.resolve_data_config(model=model)
    program = exported(model, config["input_size"], [LOGITS], any_batch=False)
    program.save(work.folder / ONNX_NETWORK)
    inputs = {name: config[name] for name in ("input_size", "mean", "std", "crop_pct")}
    (work.folder / ONNX_CONFIG).write_text(json.dumps(inputs))


if __name__ == "__main__":
    export(read_work())
