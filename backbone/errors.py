"""Errors of this room.

    BackboneError              a model, checkpoint or prompt that does not fit
    └─ UnsupportedBackbone     an architecture that has no prompted forward here
    ImageError                 bytes that are not an acceptable image

Every message is one sentence that names what was expected and what was found.
"""


class BackboneError(ValueError):
    """A backbone, its checkpoint or a set of prompts does not fit."""


class UnsupportedBackbone(BackboneError):
    """The architecture is unknown or has no verified prompted forward."""


class ImageError(ValueError):
    """The bytes are not an image that can be decoded within the limits."""
