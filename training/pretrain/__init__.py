"""Pre-training of the embedded backbone on generated images: `facet pretrain`."""

from .config import PretrainConfig
from .loop import run

__all__ = ["PretrainConfig", "run"]
