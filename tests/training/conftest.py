"""A very small backbone and a problem that it can learn."""

import pytest

from facet_vision import backbone
from facet_vision.training.data.datasets import TaskData
from tests.training.support.small import shades_of_grey, small_vit


@pytest.fixture(scope="session")
def tiny() -> backbone.Backbone:
    return small_vit()


@pytest.fixture(scope="session")
def shades() -> TaskData:
    return shades_of_grey()
