"""What gateways read that send a request to the replica that has its task.

A gateway of Kubernetes' Gateway API Inference Extension reads the gauges of vLLM, in which an
adapter is what a task is here: https://gateway-api-inference-extension.sigs.k8s.io. Names of tasks
are labels of one series, and its value is the time, so each change makes another series. These are
for a gateway's eyes and not for a database; hence they are only shown where that is asked for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from time import time

from facet_vision.service.engine.batcher import Batcher
from facet_vision.service.residency.bank import Bank
from facet_vision.service.residency.resolver import TaskResolver

from .exposition import Family

SHOWN_TASKS = 256
"""Most tasks that a label names: of those on the device the ones that were used last."""


@dataclass(frozen=True)
class Gateway:
    """Reads the gauges.

    Args:
        bank: knows what is on the device.
        resolver: knows what is being loaded.
        batcher: knows what waits and what runs.
        queue_limit: most rows admitted and not yet answered.
    """

    bank: Bank
    resolver: TaskResolver
    batcher: Batcher
    queue_limit: int

    def families(self) -> list[Family]:
        """Return the gauges as they are now."""
        device = self.bank.device
        resident = list(islice(reversed(list(device)), SHOWN_TASKS))
        running = sorted(self.batcher.running_tasks())
        waiting = sorted(self.batcher.waiting_tasks() | self.resolver.loading)
        room = str(self._room())
        now = time()
        queued = self.batcher.queued
        ours = {
            "max_tasks": room,
            "resident_tasks": _joined(resident),
            "running_tasks": _joined(running),
            "waiting_tasks": _joined(waiting),
        }
        theirs = {
            "max_lora": room,
            "running_lora_adapters": _joined(resident),
            "waiting_lora_adapters": _joined(waiting),
        }
        return [
            _gauge(
                "facet_task_requests_info",
                "Tasks on the device, in a running batch, and waiting; the value is the time.",
                [(ours, now)],
            ),
            _gauge(
                "vllm:lora_requests_info",
                "Tasks that are loaded and ready, and that wait; the value is the time.",
                [(theirs, now)],
            ),
            _gauge("vllm:num_requests_waiting", "Rows that wait for a batch.", [({}, queued)]),
            _gauge(
                "vllm:num_requests_running",
                "Rows admitted that do not wait for a batch.",
                [({}, max(0, self.batcher.admitted - queued))],
            ),
        ]

    def _room(self) -> int:
        """Return how many tasks the device holds, of the size of those that it has."""
        device = self.bank.device
        return device.budget * len(device) // device.nbytes if device.nbytes else self.queue_limit


def _joined(tasks: Iterable[str]) -> str:
    return ",".join(islice(tasks, SHOWN_TASKS))


def _gauge(name: str, documentation: str, series: Sequence[tuple[dict[str, str], float]]) -> Family:
    return Family(name, documentation, False, series)
