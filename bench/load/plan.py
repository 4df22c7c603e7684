"""The plan of a load, which travels to the generator's process as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Target:
    """One kind of request.

    Attributes:
        path: with its query.
        weight: share of the traffic, relative to the weights of other targets.
        group: the name under which its answers are counted.
        headers: in addition to host and length.
    """

    path: str
    weight: float = 1.0
    group: str = "all"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Closed:
    """A number of clients, each of which sends the next request as soon as it is answered."""

    clients: int


@dataclass(frozen=True)
class Open:
    """Random arrivals (a Poisson process), `rate` per second on average, answered or not."""

    rate: float


@dataclass(frozen=True)
class Plan:
    """A load on one server.

    Attributes:
        bodies: files with the bodies; every request takes one at random.
        warmup, seconds: seconds before and while it is counted.
        timeout: a request that is unanswered for this many seconds fails; its connection
            is closed.
        connections: most that exist at once; a request that finds none waits, and the wait counts.
    """

    host: str
    port: int
    targets: Sequence[Target]
    bodies: Sequence[str]
    arrivals: Closed | Open
    seconds: float
    warmup: float = 1.0
    timeout: float = 30.0
    connections: int = 2000
    seed: int = 0

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read the plan that `to_json` wrote."""
        fields = json.loads(text)
        targets = [Target(**target) for target in fields.pop("targets")]
        kind = Closed if "clients" in fields["arrivals"] else Open
        return cls(targets=targets, arrivals=kind(**fields.pop("arrivals")), **fields)
