"""The names of uvicorn that the server relies on exist, and the version is the one checked."""

import ast
import asyncio
import inspect
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from uvicorn.server import ServerState

from facet_vision.service.http.server import uvicorn_internals as internals
from facet_vision.service.http.server.connection import HttpProtocol
from facet_vision.service.http.server.uvicorn_server import HttpServer

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[4]


class SilentTransport(asyncio.Transport):
    """A transport that sends nothing."""

    def write(self, data: bytes) -> None:  # type: ignore[override]
        pass

    def close(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False


async def application(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


def config() -> internals.Config:
    return internals.Config(application, log_config=None, ws="none", lifespan="off")


def missing(thing: object, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if not hasattr(thing, name)]


def test_the_installed_minor_version_is_the_one_that_was_checked() -> None:
    assert version("uvicorn").split(".")[:2] == internals.CHECKED_VERSION.split(".")


def test_the_requirement_admits_only_that_minor_version() -> None:
    major, minor = internals.CHECKED_VERSION.split(".")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (required,) = [each for each in project["dependencies"] if each.startswith("uvicorn")]
    assert required == f"uvicorn>={major}.{minor},<{major}.{int(minor) + 1}"


async def test_a_protocol_that_reads_a_request_has_all_names() -> None:
    protocol = internals.HttpToolsProtocol(config(), ServerState(), {})
    protocol.connection_made(SilentTransport())
    protocol.data_received(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n")
    assert missing(protocol, internals.PROTOCOL_STATE) == []
    assert missing(protocol, internals.PROTOCOL_CALLS) == []
    assert missing(protocol.flow, internals.FLOW_STATE) == []
    assert missing(protocol.cycle, internals.CYCLE_STATE) == []
    assert missing(protocol.cycle, internals.RUNNING_CYCLE_STATE) == []
    assert missing(protocol.parser, internals.PARSER_CALLS) == []
    await asyncio.gather(*protocol.tasks)


def test_a_server_has_all_names() -> None:
    server = internals.Server(config())
    assert missing(server, internals.SERVER_STATE) == []
    assert missing(server, internals.SERVER_CALLS) == []
    source = inspect.getsource(internals.Server)
    assert all(f"self.{name} = " in source for name in internals.SERVING_STATE)


@pytest.mark.parametrize(
    ("ours", "theirs", "names"),
    [
        (HttpProtocol, internals.HttpToolsProtocol, internals.PROTOCOL_OVERRIDES),
        (HttpServer, internals.Server, internals.SERVER_OVERRIDES),
    ],
)
def test_what_is_extended_takes_the_same_arguments(
    ours: type, theirs: type, names: tuple[str, ...]
) -> None:
    for name in names:
        own, inherited = getattr(ours, name), getattr(theirs, name)
        assert own is not inherited
        assert list(inspect.signature(own).parameters) == list(
            inspect.signature(inherited).parameters
        )


def test_no_other_inherited_method_is_replaced() -> None:
    for ours, theirs, names in (
        (HttpProtocol, internals.HttpToolsProtocol, internals.PROTOCOL_OVERRIDES),
        (HttpServer, internals.Server, internals.SERVER_OVERRIDES),
    ):
        methods = {name for name, value in vars(ours).items() if inspect.isfunction(value)}
        assert {name for name in methods if hasattr(theirs, name)} - {"__init__"} == set(names)


def test_the_options_and_the_logging_are_known() -> None:
    assert set(internals.CONFIG_OPTIONS) <= set(inspect.signature(internals.Config).parameters)
    assert set(internals.LOGGING_HANDLERS) <= set(internals.LOGGING_CONFIG["handlers"])
    assert internals.LOGGING_CONFIG["loggers"]


def test_no_other_module_imports_from_uvicorns_inner_modules() -> None:
    importing = set()
    for path in (ROOT / "service").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            modules += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            if any(module and module.split(".")[0] == "uvicorn" for module in modules):
                importing.add(path.name)
    assert importing == {"uvicorn_internals.py"}
