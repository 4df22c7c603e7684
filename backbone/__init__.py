"""Networks and prompts: loading, preprocessing and the prompted forward. Knows nothing of names, versions or HTTP."""

from facet_vision.backbone.execution.native import has_bfloat16

from .attention import class_token_attention
from .backbone import Backbone
from .errors import BackboneError, ImageError, UnsupportedBackbone
from .loading import load, wrap
from .prefix import Prefix
from .preprocess import MAX_PIXELS, Pixels, Preprocess, decode_image

__all__ = [
    "MAX_PIXELS",
    "Backbone",
    "BackboneError",
    "ImageError",
    "Pixels",
    "Prefix",
    "Preprocess",
    "UnsupportedBackbone",
    "class_token_attention",
    "decode_image",
    "has_bfloat16",
    "load",
    "wrap",
]
