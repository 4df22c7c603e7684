"""The log of a server: ours and uvicorn's loggers, at one level and in one form."""

import copy
from typing import Any

from facet_vision.service.settings import Settings
from facet_vision.service.telemetry.json_log import JsonFormatter
from facet_vision.service.telemetry.request_log import IdFilter

from .uvicorn_internals import LOGGING_CONFIG

CHATTY = ("PIL", "python_multipart")
"""Loggers of libraries that report what clients send; the client is told, in one sentence."""


def log_config(settings: Settings) -> dict[str, Any]:
    """Return uvicorn's configuration of logging with our logger added, as the settings say."""
    config = copy.deepcopy(LOGGING_CONFIG)
    config["loggers"]["facet"] = {"handlers": ["default"], "propagate": False}
    for name in config["loggers"]:
        config["loggers"][name]["level"] = settings.log_level.upper()
    if settings.log_format == "json":
        config["formatters"] = {name: {"()": JsonFormatter} for name in config["formatters"]}
    else:
        config["filters"] = {"ids": {"()": IdFilter}}
        for handler in config["handlers"].values():
            handler["filters"] = ["ids"]
    # A line for programs, as it is, at any level.
    config["formatters"]["audit"] = {"format": "%(message)s"}
    config["handlers"]["audit"] = {
        "class": "logging.StreamHandler",
        "formatter": "audit",
        "stream": "ext://sys.stderr",
    }
    config["loggers"]["facet.audit"] = {
        "handlers": ["audit"],
        "level": "INFO",
        "propagate": False,
    }
    for name in CHATTY:
        config["loggers"][name] = {"level": "CRITICAL"}
    return config
