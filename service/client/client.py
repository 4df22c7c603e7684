"""A small client of the v1 API, over httpx; it needs neither torch nor the server's code."""

from collections.abc import Sequence
from typing import Any, Self
from urllib.parse import quote

import httpx

TASK_FILE = "application/octet-stream"
IMAGES_PER_REQUEST = 32
TASKS_PER_REQUEST = 500


class ClientError(Exception):
    """The server refused or could not be reached; the message is one sentence.

    Attributes:
        status: of the HTTP answer, None if there was none.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """Calls one server; use it as a context manager.

    Args:
        url: such as http://127.0.0.1:8000.
        timeout: seconds for each step of a call.
        transport: an httpx transport in place of the network.
    """

    def __init__(
        self, url: str, *, timeout: float = 60.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._url = url.rstrip("/")
        try:
            self._http = httpx.Client(base_url=self._url, timeout=timeout, transport=transport)
        except httpx.InvalidURL as error:
            raise ClientError(
                f"url: expected one such as http://127.0.0.1:8000, found {url!r} ({error})"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def tasks(self, *, per_request: int = TASKS_PER_REQUEST) -> dict[str, Any]:
        """The list of all tasks, with the backbone that serves them."""
        listed = page = self._json("GET", "/v1/tasks", params={"limit": per_request})
        while "next" in page:
            page = self._json(
                "GET", "/v1/tasks", params={"limit": per_request, "after": page["next"]}
            )
            listed["tasks"] += page["tasks"]
        listed.pop("next", None)
        return listed

    def task(self, task: str) -> dict[str, Any]:
        """One task with its manifest, versions and history."""
        return self._json("GET", _path(task))

    def upload(self, task: str, data: bytes, *, activate: bool = True) -> dict[str, Any]:
        """Publish a task file as the next version, and make it live if `activate`."""
        query = {"activate": "true" if activate else "false"}
        headers = {"Content-Type": TASK_FILE}
        return self._json(
            "POST", f"{_path(task)}/versions", params=query, content=data, headers=headers
        )

    def download(self, task: str, version: int) -> bytes:
        """The task file of a version."""
        return self._call("GET", f"{_path(task)}/versions/{version}").content

    def activate(self, task: str, version: int) -> dict[str, Any]:
        """Make a stored version live."""
        return self._json("PUT", f"{_path(task)}/live", json={"version": version})

    def retire(self, task: str) -> None:
        """Take a task out of service."""
        self._call("DELETE", _path(task))

    def predict(
        self, task: str, images: Sequence[tuple[str, bytes]], *, top_k: int = 5
    ) -> list[dict[str, Any]]:
        """Ranked labels of each image, given as (file name, encoded bytes), in their order."""
        results: list[dict[str, Any]] = []
        for start in range(0, len(images), IMAGES_PER_REQUEST):
            files = [("file", image) for image in images[start : start + IMAGES_PER_REQUEST]]
            answer = self._json(
                "POST", f"{_path(task)}/predict", params={"top_k": top_k}, files=files
            )
            results += [result | {"image": start + result["image"]} for result in answer["results"]]
        return results

    def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        response = self._call(method, path, **request)
        try:
            document = response.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise ClientError(
                f"{self._url}: expected a Facet server, found something else", response.status_code
            )
        return document

    def _call(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **request)
        except (httpx.TransportError, httpx.UnsupportedProtocol) as error:
            raise ClientError(
                f"{self._url}: expected a Facet server, found none that answers ({error})"
            ) from error
        if response.is_success:
            return response
        raise ClientError(_detail(response), response.status_code)


def _path(task: str) -> str:
    return f"/v1/tasks/{quote(task, safe='')}"


def _detail(response: httpx.Response) -> str:
    """The sentence of a problem document, or what a proxy in between said."""
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"server: expected an answer, found status {response.status_code} {response.reason_phrase}"
