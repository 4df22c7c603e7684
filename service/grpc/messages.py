"""The messages of inference.proto.

They are made in a descriptor pool of their own. In the default pool their names, which are the
protocol's, would collide with those of a client of the protocol in the same process.
"""

from importlib.resources import files
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

SERVICE = "inference.GRPCInferenceService"

DESCRIPTORS = "inference.binpb"
"""What protoc makes of inference.proto; `make proto` makes it again."""


def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    text = files(__package__).joinpath(DESCRIPTORS).read_bytes()
    for file in FileDescriptorSet.FromString(text).file:
        pool.Add(file)
    return pool


POOL = _pool()


def message(name: str) -> Any:
    """Return the class of a message, such as `ModelInferRequest`."""
    return GetMessageClass(POOL.FindMessageTypeByName(f"inference.{name}"))
