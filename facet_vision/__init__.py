"""Facet: many vision tasks from one frozen transformer.

    load, wrap         a backbone: a timm network that is loaded once and never changes
    Backbone           its prompted forward, differentiable
    new_recipe         how a task is to be trained, from the fields of a Recipe
    read_data          labelled images as a recipe asks for them
    train_task         trains: a TaskFile, or a checkpoint of a method that cannot be served
    TaskFile           a learned task: prompts, head and manifest
    open_store         where versions of tasks are kept, by folder or URL
    create_app         the server as an ASGI application
    Client             calls a server; AsyncClient likewise, awaited

Names are imported when they are first used: `import facet_vision` itself loads nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backbone import Backbone, load, wrap
    from .prompts_store import Head, Identity, Manifest, Store, TaskFile, open_store
    from .service.client.answers import (
        Embedding,
        ExamplesChanged,
        PredictResult,
        Published,
        TaskDetail,
        TaskExamples,
        TaskSummary,
    )
    from .service.client.async_client import AsyncClient
    from .service.client.client import Client
    from .service.client.errors import ClientError
    from .service.client.exchange import Retries
    from .service.http.app import create_app
    from .service.settings import Settings
    from .training.data.reading import read_data
    from .training.new_recipe import new_recipe
    from .training.recipe import Recipe
    from .training.train import train_task

__all__ = [
    "AsyncClient",
    "Backbone",
    "Client",
    "ClientError",
    "Embedding",
    "ExamplesChanged",
    "Head",
    "Identity",
    "Manifest",
    "PredictResult",
    "Published",
    "Recipe",
    "Retries",
    "Settings",
    "Store",
    "TaskDetail",
    "TaskExamples",
    "TaskFile",
    "TaskSummary",
    "__version__",
    "create_app",
    "load",
    "new_recipe",
    "open_store",
    "read_data",
    "train_task",
    "wrap",
]

_HOMES = {
    "AsyncClient": "service.client.async_client",
    "Backbone": "backbone",
    "Client": "service.client.client",
    "ClientError": "service.client.errors",
    "Embedding": "service.client.answers",
    "ExamplesChanged": "service.client.answers",
    "Head": "prompts_store",
    "Identity": "prompts_store",
    "Manifest": "prompts_store",
    "PredictResult": "service.client.answers",
    "Published": "service.client.answers",
    "Recipe": "training.recipe",
    "Retries": "service.client.exchange",
    "Settings": "service.settings",
    "Store": "prompts_store",
    "TaskDetail": "service.client.answers",
    "TaskExamples": "service.client.answers",
    "TaskFile": "prompts_store",
    "TaskSummary": "service.client.answers",
    "create_app": "service.http.app",
    "load": "backbone",
    "new_recipe": "training.new_recipe",
    "open_store": "prompts_store",
    "read_data": "training.data.reading",
    "train_task": "training.train",
    "wrap": "backbone",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("facet-vision")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
