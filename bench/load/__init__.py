"""The load generator: HTTP/1.1 over raw sockets, in a process of its own so that it shares nothing with a server."""

from .generate import Outcome, generate
from .plan import Closed, Open, Plan, Target

__all__ = ["Closed", "Open", "Outcome", "Plan", "Target", "generate"]
