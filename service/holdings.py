"""What the parts that deal with tasks have in common."""

from dataclasses import dataclass

from prompts_store import Store

from .bank import Bank
from .opening import Opener
from .registry import Registry


@dataclass(frozen=True)
class Holdings:
    """Where tasks are, from what is known of all to what is ready for the next batch.

    Attributes:
        store: every version of every task, and their history.
        registry: what is known of each task of the store.
        opener: brings a task file onto the device.
        bank: the tasks at hand.
    """

    store: Store
    registry: Registry
    opener: Opener
    bank: Bank
