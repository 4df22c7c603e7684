"""No RPC answers whom it should not; the RPCs are those of the proto file."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from facet_vision.service.access.caller import SCOPES
from facet_vision.service.grpc.messages import POOL, SERVICE, message
from facet_vision.service.grpc.server import OPEN
from tests.service.oip.conftest import free_port, pets
from tests.service.support.app import TASK_FILE
from tests.service.support.keys import Keys
from tests.service.support.processes import small_server

grpc = pytest.importorskip("grpc")

METHODS = {each.name: each for each in POOL.FindServiceByName(SERVICE).methods}
NEEDED = {
    **dict.fromkeys(("ModelInfer", "ModelStreamInfer"), "infer"),
    **dict.fromkeys(("RepositoryModelLoad", "RepositoryModelUnload"), "publish"),
}
"""The scope of each RPC; any will do for the others."""

NAMED = ("model_name", "name")


class Stub:
    """The calls, by name, over one channel."""

    def __init__(self, channel: Any, keys: Keys) -> None:
        self._channel = channel
        self._keys = keys

    def code_before_a_message(self, name: str) -> Any:
        """The code of a call without a key whose message never comes."""
        with ThreadPoolExecutor() as pool:
            call = self._channel.stream_unary(f"/{SERVICE}/{name}")
            sent = Event()
            answer = pool.submit(call, iter(sent.wait, True), timeout=20)
            try:
                return answer.exception().code()  # type: ignore[union-attr]
            finally:
                sent.set()

    def code(self, name: str, key: str | None, task: str = "pets") -> tuple[Any, str]:
        """The code and the sentence with which a call ends."""
        method = METHODS[name]
        kind = message(method.input_type.name)
        fields = {each for each in NAMED if each in kind.DESCRIPTOR.fields_by_name}
        request = kind(**dict.fromkeys(fields, task))
        text = self._keys.texts.get(key or "", key)
        metadata = [("authorization", f"Bearer {text}")] if text else []
        path = f"/{SERVICE}/{name}"
        reply = message(method.output_type.name).FromString
        try:
            if method.server_streaming:
                call = self._channel.stream_stream(path, kind.SerializeToString, reply)
                list(call(iter([request]), metadata=metadata, timeout=20))
            else:
                call = self._channel.unary_unary(path, kind.SerializeToString, reply)
                call(request, metadata=metadata, timeout=20)
        except grpc.RpcError as error:
            return error.code(), error.details()
        return grpc.StatusCode.OK, ""


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    folder: Path = tmp_path_factory.mktemp("guarded")
    keys = Keys(folder / "keys.json")
    root = keys.add("root")
    keys.add("revoked")
    keys.revoke("revoked")
    for scope in SCOPES:
        keys.add(f"not-{scope}", *(each for each in SCOPES if each != scope))
    keys.add("team", tasks=["team-*"])
    port = free_port()
    with small_server(folder / "store", grpc_port=port, keys_file=keys.path) as server:
        with server.client() as client:
            data = {"headers": TASK_FILE | root, "content": pets().to_bytes()}
            assert client.post("/v1/tasks/pets/versions", **data).status_code == 201  # type: ignore[arg-type]
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Stub(channel, keys)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_keys_that_do_not_hold(stub: Stub, name: str) -> None:
    for key in (None, "facet_000000000000_wrong", "revoked"):
        code, sentence = stub.code(name, key)
        if name in OPEN:
            assert code == grpc.StatusCode.OK
        else:
            assert code == grpc.StatusCode.UNAUTHENTICATED
            assert "Bearer" in sentence


def test_what_a_stranger_sends_is_not_read(stub: Stub) -> None:
    assert stub.code_before_a_message("RepositoryModelLoad") == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_keys_without_the_scope(stub: Stub, name: str) -> None:
    code, sentence = stub.code(name, f"not-{NEEDED[name]}")
    assert code == grpc.StatusCode.PERMISSION_DENIED
    assert repr(NEEDED[name]) in sentence


@pytest.mark.parametrize("name", sorted(METHODS.keys() - {"ModelStreamInfer"}))
def test_keys_for_other_tasks(stub: Stub, name: str) -> None:
    kind = message(METHODS[name].input_type.name)
    if not any(each in kind.DESCRIPTOR.fields_by_name for each in NAMED):
        return
    there, absent = (stub.code(name, "team", task) for task in ("pets", "nothing"))
    assert there == absent
    assert there[0] == grpc.StatusCode.PERMISSION_DENIED


def test_all_is_answered_to_a_key_with_everything(stub: Stub) -> None:
    for name in METHODS:
        code, _ = stub.code(name, "root")
        assert code not in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
        assert code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), name
