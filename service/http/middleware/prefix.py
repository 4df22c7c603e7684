"""The path prefix under which a reverse proxy publishes the server."""

from starlette.types import ASGIApp, Receive, Scope, Send


class Prefix:
    """Middleware that tells the application its prefix, as ASGI's `root_path`.

    A proxy may leave the prefix in the path or take it off; the application finds it there.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._root_path and scope["type"] == "http":
            inside = f"{scope['path']}/".startswith(f"{self._root_path}/")
            path = scope["path"] if inside else self._root_path + scope["path"]
            scope = {**scope, "root_path": self._root_path, "path": path}
        await self._app(scope, receive, send)
