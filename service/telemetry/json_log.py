"""Log lines as JSON documents, one on each line."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from .request_log import RequestLine, current
from .traces import current_span


class JsonFormatter(logging.Formatter):
    """Writes a record with the ids of the request and the trace in which it was made."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the document, without a newline in it."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if isinstance(record.msg, RequestLine):
            fields |= {"message": "request"} | record.msg.fields
        else:
            fields["message"] = record.getMessage()
        if identity := current.get():
            fields["request_id"] = identity
        if trace := current_span.get().trace:
            fields |= {"trace_id": trace.trace, "span_id": trace.span}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)
