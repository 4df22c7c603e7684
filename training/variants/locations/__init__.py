"""Locations of prompts, one module for each place where they enter the network.

Each is a `torch.nn.Module` from preprocessed images to pooled features, and owns the parameters of
its prompts.
"""

from .add import Add
from .add_on_swin import AddOnSwin
from .below import Below
from .pad import Pad
from .prepend import Prepend
from .prepend_pixel import PrependPixel

__all__ = ["Add", "AddOnSwin", "Below", "Pad", "Prepend", "PrependPixel"]
