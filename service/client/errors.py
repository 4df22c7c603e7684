"""What a call of the client raises."""

import httpx

from facet_vision.common.exits import ExitCode


class ClientError(Exception):
    """The server refused or could not be reached; the message is one sentence.

    Attributes:
        status: HTTP status of the answer; None if there was none.
        reason: the end of the type of the server's problem document, such as "unknown-task".
        request_id: of the refused request, as the server's log has it.
        retry_after: seconds that the server asks to wait before the call is made again.
    """

    def __init__(
        self,
        message: str,
        status: int | None = None,
        reason: str | None = None,
        *,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.request_id = request_id
        self.retry_after = retry_after


class NoServer(ClientError):
    """No Facet server answers at the address."""

    exit_code = ExitCode.NO_SERVER


def refusal(response: httpx.Response, retry_after: float | None = None) -> ClientError:
    """Return the error with the sentence of a problem document, or a proxy's status."""
    status = response.status_code
    about = {"request_id": response.headers.get("x-request-id"), "retry_after": retry_after}
    try:
        sentence, reason = _told(response.json())
    except (ValueError, KeyError, TypeError, AttributeError):
        found = f"{status} {response.reason_phrase}"
        return ClientError(f"server: expected an answer, found status {found}", status, **about)
    return ClientError(sentence, status, reason, **about)


def _told(problem: dict[str, str | dict[str, str]]) -> tuple[str, str]:
    """Return sentence and reason of an error in our form, or in that of /v1/embeddings."""
    error = problem.get("error")
    if isinstance(error, dict):
        # OpenAI's clients know this name for what is an unknown task everywhere else.
        reason = error["code"]
        return error["message"], "unknown-task" if reason == "model_not_found" else reason
    kind = problem["type"]
    assert isinstance(kind, str)
    return str(problem["detail"]), kind.rpartition(":")[2]
