"""The variables of a server: a misspelt one is an error, not a default."""

import re
from collections.abc import Iterable

CLIENT_KEY = "FACET_KEY"
"""The variable of the client's commands that may stand beside those of a server."""

# Kubernetes adds such variables to every container of a namespace that has a Service "facet".
_SERVICE_LINK = re.compile(r"FACET_(SERVICE_(HOST|PORT\w*)|PORT_\d+_\w+)")


class SettingsError(ValueError):
    """A setting is unknown, has no valid value, or is unsafe together with another."""


def check_names(names: Iterable[str], settings: Iterable[str]) -> None:
    """Refuse a variable FACET_… that is of no setting.

    Raises:
        SettingsError: there is one.
    """
    known = {f"FACET_{name.upper()}" for name in settings} | {CLIENT_KEY}
    for name in names:
        if (
            name.upper().startswith("FACET_")
            and name.upper() not in known
            and not _SERVICE_LINK.fullmatch(name)
        ):
            raise SettingsError(
                f"environment: expected one of {', '.join(sorted(known))}, found {name}"
            )
