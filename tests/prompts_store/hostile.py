"""Files that a server must refuse, each with the error and words of its sentence."""

import io
import json
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from facet_vision.prompts_store import InvalidManifest, InvalidTensors, NotATaskFile, TaskFileError
from tests.prompts_store import hostile_parts
from tests.prompts_store.task_examples import identity, manifest_fields, task_file


@dataclass(frozen=True)
class Hostile:
    """A file to refuse: `error` is raised, and every one of `words` stands in its sentence."""

    name: str
    data: bytes
    error: type[TaskFileError]
    words: tuple[str, ...]


def cases() -> list[Hostile]:
    """The whole corpus; names are unique."""
    return [
        *_foreign(),
        *_headers(),
        *_metadata(),
        *_manifests(),
        *_offsets(),
        *_tensors(),
        *_values(),
    ]


def assemble(header: Any, payload: bytes) -> bytes:
    """A safetensors file of any header (JSON value, or bytes as they are) and any payload."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + payload


def take_apart(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and payload of a sound file."""
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def with_manifest(**changes: Any) -> bytes:
    """A sound file whose manifest has these fields changed; ... as a value removes the field."""
    fields = json.loads(task_file().manifest.to_json()) | changes
    return with_manifest_text(
        json.dumps({key: value for key, value in fields.items() if value is not ...})
    )


def with_manifest_text(text: str) -> bytes:
    """A sound file but for its manifest, which is `text`."""
    header, payload = take_apart(task_file().to_bytes())
    return assemble(header | {"__metadata__": {"facet": text}}, payload)


def with_tensors(replaced: dict[str, torch.Tensor | None], **changes: Any) -> bytes:
    """A file with these tensors put in (or taken out, for None), whatever the manifest says."""
    tensors = {
        name: tensor
        for name, tensor in (task_file().tensors() | replaced).items()
        if tensor is not None
    }
    header: dict[str, Any] = {
        "__metadata__": {"facet": json.dumps(manifest_fields(**changes), default=str)}
    }
    payload = b""
    for name, tensor in tensors.items():
        raw = bytes(tensor.contiguous().flatten().view(torch.uint8).tolist())
        offsets = [len(payload), len(payload) + len(raw)]
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": offsets,
        }
        payload += raw
    return assemble(header, payload)


_NAMES = {
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.float64: "F64",
    torch.int64: "I64",
    torch.uint8: "U8",
}


class _Bomb:
    """Unpickling this raises: a reader that gets so far has already lost."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('a pickle was executed')",)


def _torch_save(*, new: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save({"head.weight": torch.zeros(3, 4)}, buffer, _use_new_zipfile_serialization=new)
    return buffer.getvalue()


def _foreign() -> Iterator[Hostile]:
    sound = task_file().to_bytes()
    yield Hostile("empty", b"", NotATaskFile, ("file size", "found 0"))
    yield Hostile("seven_bytes", sound[:7], NotATaskFile, ("file size", "found 7"))
    yield Hostile("torch_save", _torch_save(new=True), NotATaskFile, ("zip archive", "torch.save"))
    yield Hostile("old_torch_save", _torch_save(new=False), NotATaskFile, ("pickle", "torch.save"))
    for protocol in (2, 3, 4, 5):
        data = pickle.dumps(_Bomb(), protocol=protocol)
        yield Hostile(f"pickle_{protocol}", data, NotATaskFile, ("pickle", "expected safetensors"))
    yield Hostile(
        "text_pickle", pickle.dumps(_Bomb(), protocol=0), NotATaskFile, ("header length",)
    )
    yield Hostile("png", b"\x89PNG\r\n\x1a\n" + bytes(64), NotATaskFile, ("header length",))
    yield Hostile("zeros", bytes(4096), NotATaskFile, ("header", "valid JSON"))


def _headers() -> Iterator[Hostile]:
    sound = task_file().to_bytes()
    header, payload = take_apart(sound)
    text = json.dumps(header)
    yield Hostile("truncated_header", sound[:100], NotATaskFile, ("header length", "92 bytes"))
    yield Hostile("truncated_tensors", sound[:-5], NotATaskFile, ("tensor bytes",))
    yield Hostile("trailing_bytes", sound + b"\0", NotATaskFile, ("tensor bytes",))
    huge = (2**63).to_bytes(8, "little") + sound[8:]
    yield Hostile("header_length_huge", huge, NotATaskFile, ("header length", str(2**63)))
    long = assemble(text.encode() + b" " * 2**20, payload)
    yield Hostile("header_too_long", long, NotATaskFile, ("header length", "1048576"))
    yield Hostile(
        "header_not_json", assemble(b"{not json", payload), NotATaskFile, ("header", "valid JSON")
    )
    yield Hostile(
        "header_not_utf8", assemble(b'{"\xff": 1}', payload), NotATaskFile, ("header", "valid JSON")
    )
    yield Hostile(
        "header_a_list", assemble([header], payload), NotATaskFile, ("header", "object", "list")
    )
    deep = b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    yield Hostile(
        "header_too_deep", assemble(deep, b""), NotATaskFile, ("header", "nested too deeply")
    )
    twice = text[:-1] + f', "head.bias": {json.dumps(header["head.bias"])}}}'
    yield Hostile(
        "duplicate_tensor",
        assemble(twice.encode(), payload),
        NotATaskFile,
        ("'head.bias'", "twice"),
    )
    digits = b'{"a":' + b"9" * 500_000 + b"}"
    yield Hostile("endless_number", assemble(digits, b""), NotATaskFile, ("header", "valid JSON"))
    long = text.replace('"shape": [3]', f'"shape": [{"9" * 2500}, {"9" * 2500}]')
    assert long != text
    yield Hostile(
        "shape_of_thousands_of_digits",
        assemble(long.encode(), payload),
        NotATaskFile,
        ("header", "a whole number of 2500 digits"),
    )
    many = ("{" + ",".join(f'"{index}":0' for index in range(90_000)) + "}").encode()
    yield Hostile("many_entries", assemble(many, payload), NotATaskFile, ("metadata",))


def _metadata() -> Iterator[Hostile]:
    header, payload = take_apart(task_file().to_bytes())
    bare = {name: entry for name, entry in header.items() if name != "__metadata__"}
    facet = header["__metadata__"]["facet"]
    yield Hostile(
        "no_metadata", assemble(bare, payload), NotATaskFile, ("metadata", "'facet'", "found none")
    )
    for name, metadata in {
        "metadata_a_list": [facet],
        "metadata_without_manifest": {"format": "pt"},
        "manifest_not_text": {"facet": {"task": "flowers"}},
    }.items():
        yield Hostile(
            name, assemble({"__metadata__": metadata, **bare}, payload), NotATaskFile, ("'facet'",)
        )
    more = {"__metadata__": {"facet": facet, "more": "x"}, **bare}
    for name, text, words in (
        (
            "checkpoint",
            '{"method": "adapter"}',
            ("training checkpoint of method 'adapter'", "cannot be served"),
        ),
        ("checkpoint_of_a_list", "[]", ("training checkpoint of method None",)),
        ("checkpoint_not_json", "adapter", ("checkpoint", "valid JSON")),
    ):
        checkpoint = {"__metadata__": {"facet-checkpoint": text}, **bare}
        yield Hostile(name, assemble(checkpoint, payload), NotATaskFile, words)
    yield Hostile("more_metadata", assemble(more, payload), NotATaskFile, ("metadata", "'more'"))


def _manifests() -> Iterator[Hostile]:
    def case(name: str, *words: str, **changes: Any) -> Hostile:
        return Hostile(f"manifest_{name}", with_manifest(**changes), InvalidManifest, words)

    yield case("other_format", "'format'", "expected 1", "found 2", format=2)
    yield case("without_task", "'task'", "found none", task=...)
    yield case("unknown_field", "'colour'", "no field", colour="red")
    yield case("path_in_name", "'task'", "../../etc/passwd", task="../../etc/passwd")
    yield case("dots_in_name", "'task'", "a..b", task="a..b")
    yield case("reserved_name", "'task'", "reserved", task="stats")
    yield case("bad_fingerprint", "'fingerprint'", "xyz", fingerprint="xyz")
    stated = identity()
    yield case("no_identity", "identity", "found none", identity=...)
    yield case("bad_weights", "'identity.weights'", "xyz", identity=stated | {"weights": "xyz"})
    nested = stated | {"preprocessing": {"mean": [{"red": 1}]}}
    yield case("nested_option", "'identity.preprocessing'", "'mean'", identity=nested)
    yield case("unknown_head", "'head'", "linear", "forest", head="forest")
    yield case("unknown_activation", "'activation'", "relu", activation="relu")
    yield case("no_labels", "'labels'", labels=[])
    yield case("empty_label", "'labels'", "label 1", labels=["daisy", "", "tulip"])
    yield case("long_label", "'labels'", "label 0", labels=["x" * 201, "rose", "tulip"])
    yield case("line_in_label", "'labels'", "printable", labels=["da\nisy", "rose", "tulip"])
    yield case("label_twice", "'labels'", "'rose'", "twice", labels=["rose", "rose", "tulip"])
    yield case("tokens_without_layers", "layers and tokens", layers=0)
    yield case("text_for_a_number", "'layers'", "integer", layers="2")
    yield case("negative_tokens", "'tokens'", "-1", tokens=-1)
    yield case("zero_std", "'std.1'", "greater than 0", std=[0.2, 0, 0.1])
    yield case("two_channels", "'input_size.0'", "expected 3", input_size=[2, 48, 48])
    yield case("nested_recipe", "'recipe'", "'steps'", recipe={"steps": [1, 2]})
    yield case("local_time", "'created'", "timezone", created="2025-05-04T03:02:01")
    yield case("long_description", "'description'", "10000", description="x" * 10_001)
    nan = with_manifest(metrics={"accuracy": float("nan")})
    yield Hostile("manifest_nan", nan, InvalidManifest, ("manifest", "NaN"))
    text = task_file().manifest.to_json()
    huge = with_manifest_text(text.replace("0.75", "1e999"))
    yield Hostile("manifest_infinite", huge, InvalidManifest, ("'metrics.accuracy'", "finite"))
    twice = with_manifest_text(text[:-1] + ',"task":"roses"}')
    yield Hostile("manifest_duplicate_key", twice, InvalidManifest, ("'task'", "twice"))
    yield Hostile(
        "manifest_not_json",
        with_manifest_text("task: flowers"),
        InvalidManifest,
        ("manifest", "JSON"),
    )
    yield Hostile(
        "manifest_a_list", with_manifest_text("[]"), InvalidManifest, ("manifest", "object")
    )
    deep = with_manifest_text("[" * 100_000 + "]" * 100_000)
    yield Hostile("manifest_too_deep", deep, InvalidManifest, ("manifest", "nested too deeply"))
    surrogate = with_manifest_text(text.replace("daisy", "\\ud800"))
    yield Hostile("manifest_lone_surrogate", surrogate, InvalidManifest, ("manifest",))


def _offsets() -> Iterator[Hostile]:
    header, payload = take_apart(task_file().to_bytes())

    def case(
        name: str, tensor: str, entry: Any, error: type[TaskFileError], *words: str
    ) -> Hostile:
        return Hostile(name, assemble(header | {tensor: entry}, payload), error, words)

    weight = header["head.weight"]
    begin, end = weight["data_offsets"]
    bias = header["head.bias"]
    yield case(
        "overlapping",
        "head.weight",
        weight | {"data_offsets": [0, end - begin]},
        NotATaskFile,
        "data_offsets",
    )
    yield case(
        "backwards",
        "head.weight",
        weight | {"data_offsets": [end, begin]},
        NotATaskFile,
        "data_offsets",
    )
    yield case(
        "negative",
        "head.weight",
        weight | {"data_offsets": [-4, end]},
        NotATaskFile,
        "two positions",
    )
    yield case(
        "three_offsets",
        "head.weight",
        weight | {"data_offsets": [0, 1, 2]},
        NotATaskFile,
        "two positions",
    )
    yield case(
        "text_offsets",
        "head.weight",
        weight | {"data_offsets": "0-48"},
        NotATaskFile,
        "two positions",
    )
    yield case(
        "beyond_the_end",
        "head.bias",
        bias | {"data_offsets": [10**6, 10**6 + 12]},
        NotATaskFile,
        "begin at",
    )
    yield case(
        "huge_shape",
        "head.weight",
        weight | {"shape": [10**12, 10**12]},
        NotATaskFile,
        "data_offsets",
        "bytes",
    )
    yield case(
        "overflowing_shape",
        "head.weight",
        weight | {"shape": [2**62, 4]},
        NotATaskFile,
        "data_offsets",
    )
    yield case(
        "true_as_size",
        "head.bias",
        bias | {"shape": [True]},
        InvalidTensors,
        "shape of 'head.bias'",
    )
    yield case(
        "negative_size", "head.bias", bias | {"shape": [-3]}, InvalidTensors, "shape of 'head.bias'"
    )
    yield case(
        "three_sizes",
        "head.weight",
        weight | {"shape": [3, 2, 2]},
        InvalidTensors,
        "shape of 'head.weight'",
    )
    yield case("entry_a_list", "head.weight", [1, 2], NotATaskFile, "'head.weight'", "data_offsets")
    yield case("entry_with_more", "head.weight", weight | {"x": 1}, NotATaskFile, "'head.weight'")
    yield case(
        "dtype_a_list",
        "head.weight",
        weight | {"dtype": ["F32"]},
        InvalidTensors,
        "dtype of 'head.weight'",
    )


def _tensors() -> Iterator[Hostile]:
    def case(
        name: str, tensors: dict[str, torch.Tensor | None], *words: str, **changes: Any
    ) -> Hostile:
        return Hostile(name, with_tensors(tensors, **changes), InvalidTensors, words)

    zeros = torch.zeros
    yield case("float64", {"head.weight": zeros(3, 4).double()}, "dtype of 'head.weight'", "F64")
    yield case("integers", {"prompts.0": zeros(3, 6).long()}, "dtype of 'prompts.0'", "I64")
    yield case("missing_prompt", {"prompts.1": None}, "'prompts.1'", "found none")
    yield case("missing_bias", {"head.bias": None}, "'head.bias'", "found none")
    yield case("no_head", {"head.weight": None, "head.bias": None}, "'head.weight'")
    yield case("extra_tensor", {"backdoor": zeros(1)}, "'backdoor'", "as well")
    yield case("extra_prompt", {"prompts.2": zeros(3, 6)}, "'prompts.2'", "as well")
    yield case("extra_hidden_bias", {"head.0.bias": zeros(4)}, "'head.0.bias'", "as well")
    yield case(
        "hidden_in_linear",
        {"head.0.weight": zeros(4, 4), "head.0.bias": zeros(4)},
        "linear",
        "1 hidden",
    )
    yield case("linear_in_mlp", {}, "mlp", "head.0.weight", head="mlp")
    yield case(
        "wrong_tokens", {"prompts.1": zeros(5, 6)}, "'prompts.1' (tokens)", "expected 3", "found 5"
    )
    yield case("flat_prompt", {"prompts.0": zeros(18)}, "shape of 'prompts.0'", "[18]")
    yield case("empty_prompt", {"prompts.0": zeros(3, 0)}, "shape of 'prompts.0'", "[3, 0]")
    yield case("scalar_bias", {"head.bias": zeros(())}, "shape of 'head.bias'")
    yield case("wrong_bias", {"head.bias": zeros(4)}, "shape of 'head.bias'", "(3,)", "(4,)")
    yield case("label_mismatch", {}, "labels", "expected 3", "found 2", labels=("a", "b"))
    yield from (case(name, tensors, *words) for name, tensors, words in hostile_parts.cases())
    hidden = {"head.0.weight": zeros(5, 4), "head.0.bias": zeros(5)}
    yield case(
        "broken_chain", hidden, "columns of 'head.weight'", "expected 5", "found 4", head="mlp"
    )


def _values() -> Iterator[Hostile]:
    for name, value in {
        "nan": float("nan"),
        "infinite": float("inf"),
        "minus_infinite": float("-inf"),
    }.items():
        for dtype in (torch.float32, torch.float16, torch.bfloat16):
            weight = torch.zeros(3, 4, dtype=dtype)
            weight[1, 2] = value
            data = with_tensors({"head.weight": weight})
            words = ("values of 'head.weight'", "finite", str(value))
            yield Hostile(f"{name}_{_NAMES[dtype]}", data, InvalidTensors, words)
