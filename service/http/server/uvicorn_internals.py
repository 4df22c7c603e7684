"""Every name of uvicorn's inner modules that the server relies on.

uvicorn documents `Config`, `Server` and `run`. Two modules of this room go further: `connection`
overrides callbacks of the HTTP protocol and reads its state, and `uvicorn_server` overrides steps
in the life of a server. Nothing promises that these names stay. Therefore

* this module is the only one that imports from uvicorn's inner modules,
* the tuples below list each name that is overridden, called, read or written,
* pyproject.toml admits one minor version of uvicorn only, the one in `CHECKED_VERSION`, and
* tests/service/http/server/test_uvicorn_internals.py fails where a name is missing or the
  installed minor version is another one.

To move to a new minor version: read uvicorn's changes to the classes named here, then raise
`CHECKED_VERSION` and the requirement together.
"""

from uvicorn import Config, Server
from uvicorn.config import LOGGING_CONFIG
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

__all__ = ["LOGGING_CONFIG", "Config", "HttpToolsProtocol", "RequestResponseCycle", "Server"]

CHECKED_VERSION = "0.54"
"""Minor version of uvicorn against which the names were read."""

PROTOCOL_OVERRIDES = (
    "connection_lost",
    "connection_made",
    "data_received",
    "eof_received",
    "on_body",
    "on_header",
    "on_headers_complete",
    "on_message_begin",
    "on_message_complete",
    "on_response_complete",
)
"""Methods of `HttpToolsProtocol` that `connection.HttpProtocol` extends."""

PROTOCOL_CALLS = ("timeout_keep_alive_handler",)
"""Methods of `HttpToolsProtocol` that `connection.HttpProtocol` calls."""

PROTOCOL_STATE = (
    "cycle",
    "flow",
    "headers",
    "loop",
    "parser",
    "pipeline",
    "scheme",
    "timeout_keep_alive",
    "timeout_keep_alive_task",
    "transport",
    "url",
)
"""Attributes of an `HttpToolsProtocol` that is reading a request."""

FLOW_STATE = ("write_paused",)
"""Attributes of the protocol's `flow`."""

CYCLE_STATE = ("message_event", "response_complete")
"""Attributes that `HttpToolsProtocol` reads of its `cycle`, a `RequestResponseCycle`, once the
answer is complete."""

RUNNING_CYCLE_STATE = ("keep_alive", "more_body", "response_started", "scope")
"""Attributes of a cycle before that."""

PARSER_CALLS = ("feed_data", "get_http_version", "get_method", "should_keep_alive")
"""Methods of the protocol's `parser`, which is httptools' `HttpRequestParser`."""

SERVER_OVERRIDES = ("startup", "shutdown", "handle_exit")
"""Methods of `Server` that `uvicorn_server.HttpServer` extends."""

SERVER_CALLS = ("run",)
"""Methods of `Server` that `uvicorn_server.HttpServer` calls."""

SERVER_STATE = ("config", "server_state", "should_exit", "started")
"""Attributes of a `Server`."""

SERVING_STATE = ("lifespan",)
"""Attributes of a `Server` once it serves."""

CONFIG_OPTIONS = (
    "access_log",
    "date_header",
    "forwarded_allow_ips",
    "http",
    "log_config",
    "proxy_headers",
    "server_header",
    "ssl_context_factory",
    "timeout_graceful_shutdown",
    "timeout_keep_alive",
    "uds",
    "ws",
)
"""Options of `Config` that are given."""

LOGGING_HANDLERS = ("default",)
"""Handlers of `LOGGING_CONFIG` that our own loggers share."""
