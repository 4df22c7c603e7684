"""Weights from files, whoever wrote them: read, chosen, renamed, checked and copied into a model.

* `reading`: a file's tensors, nested as they were saved; nothing in a file is run.
* `choices`: which nested part, and which prefix of its names, might be the network.
* `huggingface`: the names of `transformers` in timm's.
* `fitting`: the one choice that fits every parameter, copied into the model.
* `causes`: what most likely is wrong with a file that does not fit.
* `resampling`: what was interpolated to the model's sizes, in words.
"""

from .fitting import check_finite, fill, load_checkpoint
from .reading import read

__all__ = ["check_finite", "fill", "load_checkpoint", "read"]
