"""A client of the v1 API, over httpx.

It needs neither torch nor the server's code.
"""

from collections.abc import Sequence
from typing import Any, Self
from urllib.parse import quote

import httpx

from facet_vision.common.exits import ExitCode

TASK_FILE = "application/octet-stream"
IMAGES_PER_REQUEST = 32
LABELS_PER_REQUEST = 50_000
"""Labels of all images of a request; a server makes no answer of more than twice as many."""
TASKS_PER_REQUEST = 500


class ClientError(Exception):
    """The server refused or could not be reached; the message is one sentence.

    Attributes:
        status: HTTP status of the answer; None if there was none.
        reason: the end of the type of the server's problem document, such as "unknown-task".
    """

    def __init__(self, message: str, status: int | None = None, reason: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class NoServer(ClientError):
    """No Facet server answers at the address."""

    exit_code = ExitCode.NO_SERVER


class Client:
    """The calls of one server; use it as a context manager.

    Args:
        url: such as http://127.0.0.1:8000.
        key: to show, where the server has keys.
        timeout: seconds for each step of a call, such as connecting or reading.
        transport: an httpx transport in place of the network.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        headers = _shown(key)
        try:
            self._http = httpx.Client(
                base_url=self._url, headers=headers, timeout=timeout, transport=transport
            )
        except httpx.InvalidURL as error:
            raise ClientError(
                f"url: expected one such as http://127.0.0.1:8000, found {url!r} ({error})"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def tasks(self, *, per_request: int = TASKS_PER_REQUEST) -> dict[str, Any]:
        """List all tasks, with the backbone that serves them."""
        query: dict[str, Any] = {"limit": per_request}
        listed = self._json("GET", "/v1/tasks", params=query)
        after = listed.pop("next", None)
        while after is not None:
            page = self._json("GET", "/v1/tasks", params=query | {"after": after})
            listed["tasks"] += page["tasks"]
            after = page.get("next")
        return listed

    def task(self, task: str) -> dict[str, Any]:
        """Show one task with its manifest, versions and history."""
        return self._json("GET", _path(task))

    def upload(self, task: str, data: bytes, *, activate: bool = True) -> dict[str, Any]:
        """Publish a task file as the next version, and make it live if `activate`."""
        query = {"activate": "true" if activate else "false"}
        headers = {"Content-Type": TASK_FILE}
        return self._json(
            "POST", f"{_path(task)}/versions", params=query, content=data, headers=headers
        )

    def download(self, task: str, version: int) -> bytes:
        """Return the task file of a version."""
        return self._call("GET", f"{_path(task)}/versions/{version}").content

    def activate(self, task: str, version: int) -> dict[str, Any]:
        """Make a stored version live."""
        return self._json("PUT", f"{_path(task)}/live", json={"version": version})

    def live_version(self, task: str) -> int:
        """Return the number of the live version.

        Raises:
            ClientError: there is none.
        """
        shown = self.task(task)
        if shown.get("live") is None:
            raise ClientError(f"task '{task}': expected a live version, found it {shown['state']}")
        return int(shown["live"])

    def rollback(self, task: str) -> dict[str, Any]:
        """Make the version live that was live before the one that is.

        Of a task that has been retired, it is the last one that was live.

        Raises:
            ClientError: no other version was ever live, or none that is still stored.
        """
        shown = self.task(task)
        stored = {version["number"] for version in shown["stored"]}
        for event in reversed(shown["history"]):
            version = event["version"]
            if event["event"] == "activate" and version in stored - {shown.get("live")}:
                return self.activate(task, version)
        raise ClientError(
            f"task '{task}': expected a version that was live before, found none in its history"
        )

    def retire(self, task: str) -> None:
        """Take a task out of service."""
        self._call("DELETE", _path(task))

    def delete(self, task: str, version: int) -> None:
        """Delete a version that is not live; its number is never used again."""
        self._call("DELETE", f"{_path(task)}/versions/{version}")

    def predict(
        self, task: str, images: Sequence[tuple[str, bytes]], *, top_k: int = 5
    ) -> list[dict[str, Any]]:
        """Classify images by a task.

        Args:
            task: its name.
            images: file name and encoded bytes of each.
            top_k: how many labels to return.

        Returns:
            The result of each image, in their order: its position, file name, task, version,
            predictions and timings.
        """
        results: list[dict[str, Any]] = []
        step = max(1, min(IMAGES_PER_REQUEST, LABELS_PER_REQUEST // top_k))
        for start in range(0, len(images), step):
            files = [("file", image) for image in images[start : start + step]]
            answer = self._json(
                "POST", f"{_path(task)}/predict", params={"top_k": top_k}, files=files
            )
            for result in answer["results"]:  # positions count within one request
                results.append(result | {"image": start + result["image"]})
        return results

    def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        response = self._call(method, path, **request)
        try:
            document = response.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise NoServer(
                f"{self._url}: expected a Facet server, found something else", response.status_code
            )
        return document

    def _call(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **request)
        except (httpx.TransportError, httpx.UnsupportedProtocol) as error:
            raise NoServer(
                f"{self._url}: expected a Facet server, found none that answers ({error})"
            ) from error
        if response.is_success:
            return response
        raise _refusal(response)


def _shown(key: str | None) -> dict[str, str]:
    """Return the header that shows a key.

    Raises:
        ClientError: it is no text of a key. The sentence does not repeat it.
    """
    if not key:
        return {}
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ClientError("key: expected one as facet keys new prints it, found another text")
    return {"Authorization": f"Bearer {key}"}


def _path(task: str) -> str:
    return f"/v1/tasks/{quote(task, safe='')}"


def _refusal(response: httpx.Response) -> ClientError:
    """Return the error with the sentence of a problem document, or a proxy's status."""
    status = response.status_code
    try:
        problem = response.json()
        return ClientError(str(problem["detail"]), status, problem["type"].rpartition(":")[2])
    except (ValueError, KeyError, TypeError, AttributeError):
        found = f"{status} {response.reason_phrase}"
        return ClientError(f"server: expected an answer, found status {found}", status)
