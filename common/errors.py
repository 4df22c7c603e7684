"""The error of a command that cannot do what it was asked."""


class UsageError(ValueError):
    """An option, a place to write to or a missing package; the message is one sentence."""
