"""Settings of all tests: deterministic hypothesis, one thread, one import name."""

import sys
from importlib.abc import MetaPathFinder

import pytest
import torch
from hypothesis import settings

settings.register_profile("facet", derandomize=True, deadline=None)
settings.load_profile("facet")

torch.set_num_threads(1)  # the tests' networks are so small that a second thread only adds waiting


ROOMS = {"backbone", "bench", "common", "prompts_store", "service", "training"}


class OneName(MetaPathFinder):
    """Refuse `import service`, which in a checkout would load a second copy of the room."""

    def find_spec(self, name: str, *_: object) -> None:
        if name in ROOMS:
            raise ImportError(f"{name}: expected facet_vision.{name}, its only import name")


sys.meta_path.insert(0, OneName())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long tests too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="a long test: pytest --long runs it"))
