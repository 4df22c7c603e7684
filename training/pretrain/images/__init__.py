"""Formula-driven images: every class is a drawn set of parameters, so nothing is downloaded.

`fractals`, `contours` and `strokes` make the silhouettes of the shape classes, `backgrounds` the
textures, `compose` the scenes. Randomness is in the generators that are passed in; no module holds
state.
"""

from .backgrounds import BACKGROUNDS
from .compose import IMAGE_SIZE, MASK_SIZE, SURFACES, Scene, Shapes, compose
from .random import seeded, uniform

__all__ = [
    "BACKGROUNDS",
    "IMAGE_SIZE",
    "MASK_SIZE",
    "SURFACES",
    "Scene",
    "Shapes",
    "compose",
    "seeded",
    "uniform",
]
