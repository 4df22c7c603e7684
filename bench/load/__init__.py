"""The load generator: HTTP/1.1 over raw sockets, in its own process.

* `plan`: the load, which travels to the process as JSON.
* `generate`: starts the process and evaluates its rows; holds the `Outcome`.
* `generator`: owns connections, waiting requests and rows, in one event loop; `connection` is one
  of them.
"""

from .generate import Outcome, generate
from .plan import Closed, Open, Plan, Target

__all__ = ["Closed", "Open", "Outcome", "Plan", "Target", "generate"]
