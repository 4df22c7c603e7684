"""The error of a command that cannot do what it was asked."""

from .exits import ExitCode


class UsageError(ValueError):
    """An option, a place to write to or a missing package; the message is one sentence."""

    exit_code = ExitCode.USAGE
