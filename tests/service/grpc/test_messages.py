"""The committed messages are those of the proto file."""

from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from facet_vision.service.grpc import messages

FOLDER = Path(messages.__file__).parent


def test_they_are_made_of_the_proto_file(tmp_path: Path) -> None:
    protoc = pytest.importorskip("grpc_tools.protoc", reason="the extra dev is not installed")
    out = tmp_path / "made.binpb"
    arguments = ["protoc", f"-I{FOLDER}", f"--descriptor_set_out={out}", "inference.proto"]
    assert protoc.main(arguments) == 0
    made, committed = (
        FileDescriptorSet.FromString(path.read_bytes())
        for path in (out, FOLDER / messages.DESCRIPTORS)
    )
    assert made == committed


def test_numbers_of_fields_are_the_clients() -> None:
    """A client's stub of each message has each of our fields under the same number."""
    stubs = pytest.importorskip("tritonclient.grpc.service_pb2", reason="no tritonclient")
    ours = messages.POOL.FindFileByName("inference.proto").message_types_by_name
    theirs = stubs.DESCRIPTOR.message_types_by_name
    common = set(ours.keys()) & set(theirs.keys())
    assert len(common) > 25
    for name in common:
        for field in ours[name].fields:
            assert theirs[name].fields_by_name[field.name].number == field.number, name
