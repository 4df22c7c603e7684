"""The prompted forward of each family of networks; a family holds no state but the model.

* `family`: what a family implements.
* `sequence`: the forward of networks whose layers see one sequence of tokens.
* `vit`, `eva`: such networks.
* `swin`: windows.
* `features`: any other network, without prompts.
"""

from .eva import EvaFamily
from .family import Family
from .features import FeaturesFamily
from .sequence import SequenceFamily
from .swin import SwinTransformerFamily
from .vit import VisionTransformerFamily

__all__ = [
    "EvaFamily",
    "Family",
    "FeaturesFamily",
    "SequenceFamily",
    "SwinTransformerFamily",
    "VisionTransformerFamily",
]
