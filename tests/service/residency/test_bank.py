"""The bank: two tiers that see every use, true bytes, and residents that live while needed."""

import gc

import hypothesis.strategies as st
import torch
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from facet_vision.service.engine.engine import Engine
from facet_vision.service.engine.resident import Resident
from facet_vision.service.residency.bank import Bank
from tests.service.support.app import DEPTH, small_backbone, task_file

SMALL = small_backbone()
ENGINE = Engine(SMALL)


def made(task: str, version: int = 1, labels: int = 2, layers: int = 0) -> tuple[Resident, bytes]:
    """Return a resident and the bytes of the task file it was made from."""
    file = task_file(SMALL, task, layers=layers, labels=[f"c{index}" for index in range(labels)])
    return ENGINE.place(file, version), file.to_bytes()


PARTS = {
    (task, version): made(task, version, labels=1 + 5 * index)
    for index, task in enumerate("abcde")
    for version in (1, 2)
}


@settings(max_examples=30)
@given(
    st.sampled_from([0, 1, DEPTH]),
    st.integers(1, 30),
    st.sampled_from([torch.float16, torch.float32]),
)
def test_what_is_counted_is_what_is_held(layers: int, labels: int, dtype: torch.dtype) -> None:
    file = task_file(SMALL, "pets", layers=layers, labels=[f"c{index}" for index in range(labels)])
    resident = ENGINE.place(type(file).from_bytes(file.to_bytes(dtype)), 1)
    tensors = [
        *resident.adaptation.keys_values,
        *(pair for layer in resident.head.layers for pair in layer),
    ]
    tensors += [] if resident.adaptation.tokens is None else [resident.adaptation.tokens]
    storages = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors
    }
    assert resident.nbytes == sum(storages.values())


def test_a_lookup_counts_as_a_use_in_both_tiers() -> None:
    a, b, c = (PARTS[task, 1] for task in "abc")
    bank = Bank(10**6, len(a[1]) + len(c[1]))
    bank.put(*a)
    bank.put(*c)
    bank.get("a")
    bank.put(*b)
    assert list(bank.device) == ["c", "a", "b"]
    assert list(bank.host) == ["a", "b"]


def test_evictions_are_reported_with_their_tier_and_age() -> None:
    reported: list[tuple[str, float]] = []
    now = 0.0
    a, b = PARTS["a", 1], PARTS["b", 1]
    bank = Bank(
        b[0].nbytes,
        len(b[1]),
        observe=lambda tier, age: reported.append((tier, age)),
        clock=lambda: now,
    )
    bank.put(*a)
    now = 3.0
    bank.put(*b)
    assert reported == [("host", 3.0), ("device", 3.0)]


def test_an_evicted_resident_is_counted_until_its_rows_are_answered() -> None:
    bank = Bank(PARTS["b", 1][0].nbytes, 0)
    held, data = made("a")
    bank.put(held, data)
    assert bank.leaving_bytes == 0
    bank.put(*PARTS["b", 1])
    assert (bank.find("a"), bank.leaving_bytes) == (None, held.nbytes)
    nbytes = held.nbytes
    del held
    gc.collect()
    assert nbytes
    assert bank.leaving_bytes == 0


class TwoTiers(RuleBasedStateMachine):
    """The device holds the tasks used last, the host the files; both know the version put last."""

    DEVICE, HOST = 3500, 12_000

    def __init__(self) -> None:
        super().__init__()
        self.bank = Bank(self.DEVICE, self.HOST)
        # Task and version of all that was put, the longest unused first.
        self.recent: list[tuple[str, int]] = []

    @rule(task=st.sampled_from("abcde"), version=st.sampled_from([1, 2]))
    def put(self, task: str, version: int) -> None:
        self.bank.put(*PARTS[task, version])
        self.recent = [*(pair for pair in self.recent if pair[0] != task), (task, version)]

    @rule(task=st.sampled_from("abcde"))
    def get(self, task: str) -> None:
        """Do what a request does: a miss brings the task back."""
        found = next((pair for pair in self.recent if pair[0] == task), None)
        resident = self.bank.get(task)
        if found is None:
            assert resident is None
        elif resident is None:
            self.put(*found)
        else:
            assert resident.version == found[1]
            self.recent = [*(pair for pair in self.recent if pair[0] != task), found]

    @rule(task=st.sampled_from("abcde"))
    def remove(self, task: str) -> None:
        self.bank.remove(task)
        self.recent = [pair for pair in self.recent if pair[0] != task]

    @invariant()
    def tiers_hold_what_was_used_last(self) -> None:
        for tier, budget, size in (
            (self.bank.device, self.DEVICE, lambda pair: PARTS[pair][0].nbytes),
            (self.bank.host, self.HOST, lambda pair: len(PARTS[pair][1])),
        ):
            held = [pair for pair in self.recent if pair[0] in tier]
            assert [task for task, _ in held] == list(tier)
            assert tier.nbytes == sum(map(size, held)) <= budget
            # all that is held was used later than anything that is not
            assert held == self.recent[len(self.recent) - len(held) :]
        for task, version in self.recent:
            assert self.bank.data(task, version) in (None, PARTS[task, version][1])
            assert self.bank.data(task, 3 - version) is None


TwoTiers.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_the_tiers_behave_like_a_list = TwoTiers.TestCase
