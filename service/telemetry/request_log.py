"""The id of the request that is being answered, in each line of the log that it causes."""

import logging
from contextvars import ContextVar

current: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered; empty outside of one.

Tasks that a request starts inherit it, and with HTTP workers it travels with the request.
"""


class IdFilter(logging.Filter):
    """Adds the id of the current request to a log line that does not tell it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add it; every record passes."""
        if identity := current.get():
            record.msg = f"{record.msg} [request {identity.replace('%', '%%')}]"
        return True
