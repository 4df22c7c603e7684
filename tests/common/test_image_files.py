"""Image files in folders."""

import pytest
from PIL import Image

from facet_vision.backbone.decode import FORMATS
from facet_vision.common.image_files import SUFFIXES


def test_the_suffixes_are_those_of_the_formats_that_are_decoded() -> None:
    pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    known = {suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS}
    assert known == SUFFIXES
