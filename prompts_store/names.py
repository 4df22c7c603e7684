"""The rule for task names: safe in paths, URLs and metric labels."""

import re

from .errors import InvalidTaskName, shown

MAX_LENGTH = 128
_RULE = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_LENGTH - 1}}}")
# The Open Inference Protocol serves /v2/models/stats beside /v2/models/{name}; "backbone" is the
# bare backbone among what embeddings are served of.
RESERVED = frozenset({"stats", "backbone"})


def check_task_name(name: str) -> str:
    """Return `name` unchanged; raise InvalidTaskName when it breaks the rule."""
    if not isinstance(name, str) or not _RULE.fullmatch(name) or ".." in name:
        raise InvalidTaskName(
            f"task name: expected 1 to {MAX_LENGTH} letters, digits, '.', '_' or '-', starting "
            f"with a letter or digit and without '..', found {shown(name)}"
        )
    if name in RESERVED:
        raise InvalidTaskName(f"task name: expected a name that is not reserved, found '{name}'")
    return name


def is_task_name(name: str) -> bool:
    """Return whether `check_task_name` would accept `name`."""
    try:
        check_task_name(name)
    except InvalidTaskName:
        return False
    return True
