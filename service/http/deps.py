"""The application's state, as routes reach it."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.routing import BaseRoute

from facet_vision.service.access import Caller, Scope
from facet_vision.service.components import Components
from facet_vision.service.predictor.context import RequestContext

Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Any]])


def components_of(request: Request) -> Components:
    """Return the components of the application that received the request."""
    return cast(Components, request.app.state.components)


def context_of(request: Request) -> RequestContext:
    """Return the request context of the application that received the request."""
    return cast(RequestContext, request.app.state.context)


def caller_of(request: Request) -> Caller:
    """Return who sent the request, as the middleware `KnownCallers` has found out."""
    return cast(Caller, request.scope["state"]["caller"])


def actor_of(request: Request) -> str:
    """Return who stands in the history: the key's name, without keys the client's address."""
    if name := caller_of(request).name:
        return name
    return f"http:{request.client.host}" if request.client else "http"


class Needs(HTTPBearer):
    """Dependency of a route: only a caller with this scope gets there.

    If the route's path has a task, the key must cover it. Every route but a probe has such a
    dependency or is `guarded` by one, and so its scope stands in the OpenAPI document.

    Attributes:
        scope: None if any will do.
        everything: whether the key must cover every task.
        parameter: of the path that names the task.
    """

    def __init__(self, scope: Scope | None, everything: bool, parameter: str) -> None:
        super().__init__(
            scheme_name="key",
            description="A key of this server, where it has keys.",
            auto_error=False,
        )
        self.scope = scope
        self.everything = everything
        self.parameter = parameter

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        """See `check`; FastAPI calls this."""
        self.check(request)

    def check(self, request: Request) -> None:
        """Raise unless the caller may call the route.

        Raises:
            Forbidden: it may not.
        """
        caller = caller_of(request)
        caller.require(self.scope, request.path_params.get(self.parameter))
        if self.everything and self.scope:
            caller.require_everything(self.scope)


def needs(
    scope: Scope | None = None, *, everything: bool = False, parameter: str = "task"
) -> Needs:
    """Return what a route depends on, as in `Depends(needs("infer"))`; see `Needs`."""
    return Needs(scope, everything, parameter)


def guarded(needed: Needs) -> Callable[[Endpoint], Endpoint]:
    """Decorate a route's function that takes the request, in place of a dependency.

    For the calls that come most often: FastAPI spends longer on calling a dependency than the
    dependency on its check.
    """

    def decorate(endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        async def checked(**values: Any) -> Any:
            needed.check(values["request"])
            return await endpoint(**values)

        checked.needed = needed  # type: ignore[attr-defined]
        return cast(Endpoint, checked)

    return decorate


def needed_by(route: BaseRoute) -> Needs | None:
    """Return what a route declares of its callers; None if nothing, as probes do."""
    if isinstance(route, APIRoute):
        if needed := getattr(route.endpoint, "needed", None):
            return cast(Needs, needed)
        for each in route.dependencies:
            if isinstance(each.dependency, Needs):
                return each.dependency
    return None


def infers(route: BaseRoute) -> bool:
    """Return whether a route changes nothing: it only asks tasks, or what any key may see."""
    needed = needed_by(route)
    return needed is not None and needed.scope in ("infer", None)


# Async, because FastAPI runs a plain function in a thread.
async def _components(request: Request) -> Components:
    return components_of(request)


ComponentsDependency = Annotated[Components, Depends(_components)]
