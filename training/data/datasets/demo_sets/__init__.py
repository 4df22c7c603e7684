"""Procedural demo sets: small, well-posed problems drawn by code, so that nothing is downloaded.

They are of different kinds in the spirit of VTAB's structured group (Zhai et al. 2019, arXiv 1910.04867).
"""

from .count import COUNT
from .demo_set import TEST, TRAIN, DemoSet
from .letters import LETTERS
from .orientation import ORIENTATION
from .position import POSITION
from .textures import TEXTURES

DEMO_SETS: dict[str, DemoSet] = {
    demo.name: demo for demo in (COUNT, LETTERS, ORIENTATION, POSITION, TEXTURES)
}

__all__ = ["DEMO_SETS", "TEST", "TRAIN", "DemoSet"]
