"""Exceptions of the service; `http.problems` gives each its HTTP status.

    ServiceError
    ├─ BadRequest              a request that cannot be read
    │  ├─ InvalidBody          a document that is not what this call takes
    │  ├─ UnsupportedMedia     a body of a type that this call does not take
    │  ├─ UnsupportedEncoding  a body that is encoded in a way not known here
    │  ├─ BodyTooLarge         more bytes, files or rows than the limits allow
    │  ├─ BodyTimeout          a body that stopped arriving
    │  ├─ HeadTooLarge         a head of more bytes or fields than the limits allow
    │  └─ HeadTimeout          a head that stopped arriving
    ├─ Unauthorized            no key is shown, or none that holds
    ├─ Forbidden               the key does not allow this
    ├─ UnknownHost             asked under a name that is not this server's
    ├─ ForeignOrigin           a page of another site asks for a change
    ├─ UnknownTask             no task of that name is served
    ├─ TaskUnavailable         the task exists, but its live version cannot be served here
    ├─ UnknownSample           the task's file has no such sample image
    ├─ NoThreshold             the task's file does not say when it is not sure enough
    ├─ UnfitTask               a task file that this name or backbone cannot serve
    ├─ DeviceFull              the device has no room for a task
    ├─ Overloaded              there is no room for this request now
    │  ├─ DeadlineUnreachable  queued work already takes longer than the request has time
    │  ├─ TooManyMisses        too many requests wait for tasks to be loaded
    │  └─ TooManyRequests      the caller's key has no more images left for now
    ├─ TooManyConnections      every connection has a request to answer
    ├─ Draining                the server is shutting down
    ├─ DeadlineExceeded        no answer in the time allowed
    ├─ ClientGone              the client has closed its connection before the answer
    ├─ EngineGone              the engine's process has ended
    └─ ForwardFailed           the engine could not answer this batch

Every message is one sentence.
"""


class ServiceError(Exception):
    """The root of the service's own exceptions."""


class BadRequest(ServiceError):
    """The request cannot be read."""


class InvalidBody(BadRequest):
    """The body's document is not what this call takes."""


class UnsupportedMedia(BadRequest):
    """The body's content type is not one that this call takes."""


class UnsupportedEncoding(BadRequest):
    """The body's content encoding is not one that is decoded here."""


class BodyTooLarge(BadRequest):
    """The request is larger than a limit allows."""


class BodyTimeout(BadRequest):
    """The body stopped arriving."""


class HeadTooLarge(BadRequest):
    """The request's head has more bytes or fields than the limits allow."""


class HeadTimeout(BadRequest):
    """The request's head stopped arriving."""


class Unauthorized(ServiceError):
    """No key is shown, or none that holds.

    Attributes:
        shown: whether one is shown.
    """

    def __init__(self, message: str, shown: bool = False) -> None:
        super().__init__(message)
        self.shown = shown


class Forbidden(ServiceError):
    """The caller's key does not allow this.

    Attributes:
        scope: the one that is missing; empty if none is.
    """

    def __init__(self, message: str, scope: str = "") -> None:
        super().__init__(message)
        self.scope = scope


class UnknownHost(ServiceError):
    """The request's Host is not a name of this server."""


class ForeignOrigin(ServiceError):
    """A page of another site asks for a change."""


class UnknownTask(ServiceError):
    """No task of that name is served."""


class TaskUnavailable(ServiceError):
    """The task's live version cannot be served by this server.

    Attributes:
        passing: whether that may end without anybody's help, such as an outage of the store.
    """

    def __init__(self, message: str, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class NoThreshold(ServiceError):
    """The task's live version states no threshold below which it would not answer."""


class UnknownSample(ServiceError):
    """The task's live version has no such sample image."""


class UnfitTask(ServiceError):
    """The task file is well formed but cannot be served here."""


class DeviceFull(ServiceError):
    """The device has no room for a task."""


class Overloaded(ServiceError):
    """There is no room for this request now.

    Attributes:
        retry_after: seconds until everything admitted so far is answered; by then there is room
            for any request.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeadlineUnreachable(Overloaded):
    """The queued rows already take longer to answer than the request has time."""


class TooManyMisses(Overloaded):
    """Too many requests wait for tasks to be loaded onto the device."""


class TooManyRequests(Overloaded):
    """The caller's key has no more images left for now.

    Attributes:
        policy: name of the limit.
        quota: images that it allows.
        window: seconds in which it allows them; 0 for a limit of those under way at once.
        remaining: images that are left now.
    """

    def __init__(
        self,
        message: str,
        retry_after: float,
        policy: str,
        quota: int,
        window: float,
        remaining: int,
    ) -> None:
        super().__init__(message, retry_after)
        self.policy = policy
        self.quota = quota
        self.window = window
        self.remaining = remaining


class TooManyConnections(ServiceError):
    """Every connection has a request to answer, and there may be no further one."""


class Draining(ServiceError):
    """The server finishes what it has admitted and admits nothing new."""


class DeadlineExceeded(ServiceError):
    """The answer was not ready in the time allowed."""

    def __init__(
        self,
        message: str = "request: expected an answer within the deadline, found it still waiting",
    ) -> None:
        super().__init__(message)


class ClientGone(ServiceError):
    """The client closed its connection before the answer."""


class EngineGone(ServiceError):
    """The engine's process has ended; this HTTP worker is about to end as well."""


class ForwardFailed(ServiceError):
    """The forward of a task's rows raised, or returned scores that are not finite."""
