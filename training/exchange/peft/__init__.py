"""LoRA adapters as PEFT saves them: `adapter_config.json` and `adapter_model.safetensors`.

* `config`: the settings, and which of them no task file can hold.
* `adapter`: the tensors by what they are, read from the folder.
* `parts`: what they are of a backbone's layers.
* `base`: whether the base that they were trained on may be this backbone.
* `task`: the task file.
"""

from .adapter import Adapter, read_adapter
from .task import to_task

__all__ = ["Adapter", "read_adapter", "to_task"]
