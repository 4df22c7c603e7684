"""A backbone and one task as one network, to leave Facet with.

* `folding`: what a task changes in weights, changed in a backbone's own weights.
* `network`: the network, from images to pooled features.

What serves many tasks from one backbone never does this.
"""

from .folding import fold
from .network import bake

__all__ = ["bake", "fold"]
