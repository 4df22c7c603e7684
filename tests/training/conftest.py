"""A very small backbone and a problem that it can learn."""

import pytest
from small import shades_of_grey, small_vit

import backbone
from training.datasets import TaskData


@pytest.fixture(scope="session")
def tiny() -> backbone.Backbone:
    return small_vit()


@pytest.fixture(scope="session")
def shades() -> TaskData:
    return shades_of_grey()
