"""Where prompts enter the network: one module per place, each from images to pooled features."""

from .add import Add
from .below import Below
from .pad import Pad
from .prepend import Prepend
from .prepend_pixel import PrependPixel

__all__ = ["Add", "Below", "Pad", "Prepend", "PrependPixel"]
