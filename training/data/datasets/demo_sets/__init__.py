"""Procedural demo sets: small, well-posed problems drawn by code.

Nothing is downloaded. The problems differ in kind, as those of VTAB's structured group do
(Zhai et al. 2019, arXiv 1910.04867). `demo_set` defines a set, `canvas` and `shapes` have the
drawing helpers.

Defaults and recipes were chosen on `count`, `letters`, `orientation`, `position` and `textures`.
`overlap`, `stripes` and `symmetry` are there to test them: nothing is chosen on these.
"""

from .count import COUNT
from .demo_set import TEST, TRAIN, DemoSet
from .letters import LETTERS
from .orientation import ORIENTATION
from .overlap import OVERLAP
from .position import POSITION
from .stripes import STRIPES
from .symmetry import SYMMETRY
from .textures import TEXTURES

DEMO_SETS: dict[str, DemoSet] = {
    demo.name: demo
    for demo in (
        *(COUNT, LETTERS, ORIENTATION, POSITION, TEXTURES),
        *(OVERLAP, STRIPES, SYMMETRY),
    )
}

__all__ = ["DEMO_SETS", "TEST", "TRAIN", "DemoSet"]
