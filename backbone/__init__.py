"""Frozen networks with visual prompts: loading, preprocessing and the prompted forward.

* `loading`: from a name, a checkpoint or a timm model to a `Backbone`; `tiny` is the embedded one.
* `sources`, `supported`: what a name means, and which names there are.
* `variation`: other input sizes and poolings than a network was published with.
* `checkpoints`: weights from files, whoever wrote them.
* `backbone`: the frozen network that all tasks share. Its state never changes after loading,
  except that `Backbone.pack` replaces the layout of its weights once.
* `families`: the prompted forward of each family; none holds any state but the model.
* `adaptation`: all that a task changes in the forward, encoded, and applied to its rows.
* `segments`: how a mixed batch is grouped by the shapes of its prompts.
* `execution`: how a block's products are computed on this device.
* `preprocess`: from image bytes to the input tensor.

The room imports no other room: it knows no task names, versions, files or HTTP.
"""

from facet_vision.backbone.execution.native import has_bfloat16

from .adaptation import Adaptation, Parts
from .attention import check_class_token, class_token_attention, patch_attention
from .backbone import Backbone
from .decode import MAX_PIXELS, OpenImage, decode_image, open_image
from .entering import entering_patches
from .errors import BackboneError, ImageError, UnsupportedBackbone
from .loading import load, wrap
from .preprocess import Pixels, Preprocess, limit_aspect

__all__ = [
    "MAX_PIXELS",
    "Adaptation",
    "Backbone",
    "BackboneError",
    "ImageError",
    "OpenImage",
    "Parts",
    "Pixels",
    "Preprocess",
    "UnsupportedBackbone",
    "check_class_token",
    "class_token_attention",
    "decode_image",
    "entering_patches",
    "has_bfloat16",
    "limit_aspect",
    "load",
    "open_image",
    "patch_attention",
    "wrap",
]
