"""A slice of each test of this folder runs in `make test`, the whole in `make fuzz`."""

from collections.abc import Callable

import pytest

LONG_SECONDS = 3600


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        for item in items:
            item.add_marker(pytest.mark.timeout(LONG_SECONDS))


@pytest.fixture
def amount(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Chooses between the number of inputs of a slice and that of a whole run."""
    is_long = request.config.getoption("--long")
    return lambda slice_, whole: whole if is_long else slice_
