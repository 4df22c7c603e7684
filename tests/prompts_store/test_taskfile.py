"""Task files: round trips, the same bytes for the same content, and no inconsistent ones."""

import os
import string
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from facet_vision.prompts_store import (
    Head,
    InvalidTensors,
    Manifest,
    NotATaskFile,
    TaskFile,
    WrongBackbone,
)
from facet_vision.prompts_store.header import CHECKPOINT_KEY, MAX_FILE_BYTES
from facet_vision.prompts_store.layout import KINDS
from facet_vision.prompts_store.names import is_task_name
from tests.prompts_store.task_examples import (
    Facts,
    identity,
    manifest,
    manifest_fields,
    task_file,
)

DTYPES = (torch.float16, torch.bfloat16, torch.float32)
words = st.text(min_size=1, max_size=20).filter(str.isprintable)
names = st.text(string.ascii_letters + string.digits, min_size=1, max_size=20).filter(is_task_name)
numbers = st.floats(-1e6, 1e6)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@st.composite
def manifests(draw: st.DrawFn, hidden: int) -> Manifest:
    layers = draw(st.integers(0, 4))
    return manifest(
        task=draw(names),
        layers=layers,
        tokens=draw(st.integers(1, 5)) if layers else 0,
        head="mlp" if hidden else "linear",
        labels=tuple(draw(st.lists(words, min_size=1, max_size=5, unique=True))),
        recipe=draw(
            st.dictionaries(words, st.none() | st.booleans() | st.integers(-9, 9) | numbers | words)
        ),
        metrics=draw(st.dictionaries(words, numbers)),
        created=draw(moments),
        description=draw(words),
    )


@st.composite
def task_files(draw: st.DrawFn) -> TaskFile:
    hidden = draw(st.lists(st.integers(1, 4), max_size=2))
    about = draw(manifests(len(hidden)))
    random = torch.Generator().manual_seed(draw(st.integers(0, 99)))

    def tensor(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=random).to(draw(st.sampled_from(DTYPES)))

    prompts = tuple(tensor(about.tokens, draw(st.integers(1, 6))) for _ in range(about.layers))
    widths = [draw(st.integers(1, 6)), *hidden, len(about.labels)]
    sizes = zip(widths[1:], widths[:-1], strict=True)
    head = Head(tuple((tensor(out, width), tensor(out)) for out, width in sizes))
    return TaskFile(about, prompts, head, draw(parts(tensor)))


@st.composite
def parts(draw: st.DrawFn, tensor: Callable[..., torch.Tensor]) -> dict[str, torch.Tensor]:
    found = {}
    for kind in draw(st.lists(st.sampled_from(sorted(KINDS)), unique=True, max_size=3)):
        sites, shapes = KINDS[kind]
        layer, site = draw(st.integers(0, 999)), draw(st.sampled_from(sites))
        sizes = {symbol: draw(st.integers(1, 4)) for shape in shapes.values() for symbol in shape}
        for part, shape in shapes.items():
            found[f"{kind}.{layer}.{site}.{part}"] = tensor(*(sizes[symbol] for symbol in shape))
    return found


@given(task_files())
def test_round_trip(file: TaskFile) -> None:
    data = file.to_bytes()
    again = TaskFile.from_bytes(data)
    assert again.manifest == file.manifest
    assert again.to_bytes() == data
    assert again.nbytes == file.nbytes
    for name, tensor in file.tensors().items():
        assert again.tensors()[name].dtype == tensor.dtype
        assert torch.equal(again.tensors()[name], tensor)


@given(task_files())
def test_bytes_depend_on_content_alone(file: TaskFile) -> None:
    about = file.manifest
    turned = {
        "recipe": dict(reversed(about.recipe.items())),
        "metrics": dict(reversed(about.metrics.items())),
    }
    elsewhere = about.created.astimezone(timezone(timedelta(hours=5)))
    same = Manifest(**{**about.model_dump(), **turned, "created": elsewhere})
    strided = tuple(prompt.t().contiguous().t() for prompt in file.prompts)
    turned_parts = dict(reversed(file.parts.items()))
    assert TaskFile(same, strided, file.head, turned_parts).to_bytes() == file.to_bytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_storage_dtype(dtype: torch.dtype) -> None:
    file = task_file()
    again = TaskFile.from_bytes(file.to_bytes(dtype))
    for name, tensor in again.tensors().items():
        assert torch.equal(tensor, file.tensors()[name].to(dtype))


def test_a_value_too_large_for_float16_is_refused() -> None:
    file = task_file()
    file.head.layers[0][0][0, 0] = -70_000.0
    with pytest.raises(
        InvalidTensors,
        match=r"'head.weight': expected at most 65504 for torch.float16, found 70000",
    ):
        file.to_bytes(torch.float16)
    assert TaskFile.from_bytes(file.to_bytes(torch.bfloat16)).head.layers[0][0].min() < -60_000


def test_tensors_that_share_memory_or_need_gradients_are_written() -> None:
    bank = torch.zeros(2, 3, 6, requires_grad=True)
    file = replace(task_file(), prompts=(bank[0], bank[1]))
    assert torch.equal(TaskFile.from_bytes(file.to_bytes()).prompts[1], torch.zeros(3, 6))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"prompts": (torch.zeros(3, 6),)}, "expected 'prompts.1', found none"),
        (
            {"prompts": (torch.zeros(3, 6), torch.zeros(4, 6))},
            r"'prompts.1' \(tokens\): expected 3, found 4",
        ),
        (
            {"prompts": (torch.zeros(3, 6).double(),) * 2},
            "dtype of 'prompts.0': expected one of F16, BF16, F32",
        ),
        (
            {"prompts": (torch.full((3, 6), torch.nan),) * 2},
            "'prompts.0': expected finite numbers, found nan",
        ),
        ({"manifest": manifest(labels=("a", "b"))}, "labels in the manifest: expected 3, found 2"),
        ({"head": Head(((torch.zeros(3, 4), torch.zeros(3, 1)),))}, "shape of 'head.bias'"),
    ],
)
def test_inconsistent_parts_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidTensors, match=sentence):
        replace(task_file(), **changes)


def test_a_header_that_could_not_be_read_again_is_not_written() -> None:
    labels = tuple(f"{index:0200}" for index in range(6000))
    file = TaskFile(
        manifest(labels=labels),
        task_file().prompts,
        Head(((torch.zeros(6000, 4), torch.zeros(6000)),)),
    )
    with pytest.raises(NotATaskFile, match="header length"):
        file.to_bytes()


def test_twenty_thousand_labels_fit() -> None:
    labels = tuple(f"a class with a rather long name {index}" for index in range(21_841))
    size = len(labels)
    file = TaskFile(
        manifest(labels=labels),
        task_file().prompts,
        Head(((torch.zeros(size, 4), torch.zeros(size)),)),
    )
    assert TaskFile.from_bytes(file.to_bytes()).manifest.labels == labels


def test_save_replaces_atomically(tmp_path: Path) -> None:
    path = tmp_path / "flowers.safetensors"
    task_file(seed=1).save(path)
    task_file(seed=2).save(path, torch.float16)
    assert TaskFile.load(path).to_bytes() == task_file(seed=2).to_bytes(torch.float16)
    assert os.listdir(tmp_path) == [path.name]


def test_load_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "flowers.safetensors"
    path.write_bytes(b"PK\x03\x04" + bytes(20))
    with pytest.raises(
        NotATaskFile, match=r"flowers.safetensors: file format: expected safetensors, found a zip"
    ):
        TaskFile.load(path)


def _enlarged(data: bytes, folder: Path) -> Path:
    """A file over the limit that begins with `data` and takes no space on the disk."""
    path = folder / "huge"
    path.write_bytes(data)
    os.truncate(path, MAX_FILE_BYTES + 1)
    return path


def test_a_large_checkpoint_is_refused_for_what_it_is(tmp_path: Path) -> None:
    data = safetensors.torch.save({"a": torch.zeros(1)}, {CHECKPOINT_KEY: '{"method": "full"}'})
    with pytest.raises(
        NotATaskFile,
        match=r"huge: file: expected a task file, found a training checkpoint of method",
    ):
        TaskFile.load(_enlarged(data, tmp_path))


def test_a_large_file_of_another_format_is_refused_for_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(NotATaskFile, match=r"huge: file format: expected safetensors, found a zip"):
        TaskFile.load(_enlarged(b"PK\x03\x04" + bytes(20), tmp_path))


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = _enlarged(task_file().to_bytes(), tmp_path)
    with pytest.raises(
        NotATaskFile, match=f"expected at most {MAX_FILE_BYTES} bytes, found {MAX_FILE_BYTES + 1}"
    ):
        TaskFile.load(path)


@pytest.mark.parametrize(
    "changes",
    [{}, {"layers": 1, "method": "vpt-shallow"}, {"layers": 0, "tokens": 0, "method": "linear"}],
)
def test_fits_its_backbone(changes: dict[str, Any]) -> None:
    task_file(**changes).check_fits(Facts())
    task_file(hidden=(7,), **changes).check_fits(Facts())


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (
            Facts(identity=identity(weights="cd" * 32)),
            f"fingerprint .*: expected {'cd' * 32} .*found {'ab' * 32} \\('small'\\)",
        ),
        (Facts(pooling="avg"), "pooling .*: expected 'avg' .*found 'token'"),
        (Facts(layer_dims=(6, 6, 6)), "number of prompted layers .*: expected 0, 1 or 3 .*found 2"),
        (Facts(layer_dims=(6, 8)), "prompt width in layer 1 .*: expected 8 .*found 6"),
        (Facts(feature_dim=5), "input width of the head .*: expected 5 .*found 4"),
        (
            Facts(input_size=(3, 64, 64)),
            r"input size .*: expected \[3, 64, 64\] .*found \[3, 48, 48\]",
        ),
        (Facts(mean=(0.5, 0.4, 0.2)), "normalisation mean .*: expected .*0.2"),
        (Facts(std=(0.2, 0.2, 0.2)), "normalisation std .*: expected .*0.2"),
    ],
)
def test_another_backbone_is_named(facts: Facts, sentence: str) -> None:
    with pytest.raises(WrongBackbone, match=f"^{sentence}"):
        task_file().check_fits(facts)


def test_rounding_of_the_normalisation_is_forgiven() -> None:
    as_float32 = tuple(torch.tensor((0.5, 0.4, 0.3)).tolist())
    task_file().check_fits(Facts(mean=as_float32))


def test_mlp_head_computes_relu_between_layers() -> None:
    file = task_file(hidden=(7, 5))
    features = torch.randn(2, 4)
    (w0, b0), (w1, b1), (w2, b2) = file.head.layers
    expected = ((features @ w0.t() + b0).relu() @ w1.t() + b1).relu() @ w2.t() + b2
    assert torch.allclose(file.head(features), expected)
    assert (file.head.kind, file.head.feature_dim, file.head.classes) == ("mlp", 4, 3)


def test_head_moves_to_another_dtype() -> None:
    head = task_file().head.to(dtype=torch.bfloat16)
    assert head(torch.zeros(1, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert (head.kind, head.nbytes) == ("linear", (3 * 4 + 3) * 2)


def test_manifest_times_are_utc() -> None:
    there = datetime(2025, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert (
        Manifest(**manifest_fields(created=there)).created.isoformat()
        == "2025-01-01T10:00:00+00:00"
    )
