"""The application's state, as routes reach it."""

from typing import Annotated, cast

from fastapi import Depends, Request

from facet_vision.service.components import Components
from facet_vision.service.predictor.context import RequestContext


def components_of(request: Request) -> Components:
    """Return the components of the application that received the request."""
    return cast(Components, request.app.state.components)


def context_of(request: Request) -> RequestContext:
    """Return the request context of the application that received the request."""
    return cast(RequestContext, request.app.state.context)


# Async, because FastAPI runs a plain function in a thread.
async def _components(request: Request) -> Components:
    return components_of(request)


ComponentsDependency = Annotated[Components, Depends(_components)]
