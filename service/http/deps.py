"""What a route needs of the application that got its request."""

from typing import Annotated, cast

from fastapi import Depends, Request

from facet_vision.service.components import Components
from facet_vision.service.predictor.context import RequestContext


def components_of(request: Request) -> Components:
    """The components of the application that got the request."""
    return cast(Components, request.app.state.components)


async def _components(
    request: Request,
) -> Components:  # FastAPI would run a plain function in a thread
    return components_of(request)


ComponentsDependency = Annotated[Components, Depends(_components)]


def context_of(request: Request) -> RequestContext:
    """The front of the application that got the request."""
    return cast(RequestContext, request.app.state.context)
