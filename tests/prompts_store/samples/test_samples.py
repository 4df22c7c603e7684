"""Sample images in a task file: bounded, of the type they are said to be, and kept bit for bit."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest
import safetensors.torch
import torch
from PIL import Image

from facet_vision.prompts_store import InvalidManifest, InvalidTensors, TaskFile
from facet_vision.prompts_store.header import METADATA_KEY
from facet_vision.prompts_store.preview import Preview
from facet_vision.prompts_store.samples.facts import (
    MAX_SAMPLE_BYTES,
    MAX_SAMPLES,
    SampleFacts,
    begins_as,
)
from facet_vision.prompts_store.taskfile import sample_bytes
from tests.prompts_store.task_examples import task_file


def encoded(kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, kind)
    return buffer.getvalue()


def with_samples(*images: tuple[str, bytes]) -> TaskFile:
    """A task file with these samples, each a media type and bytes."""
    file = task_file()
    facts = tuple(SampleFacts(label="rose", media_type=kind) for kind, _ in images)
    manifest = file.manifest.model_copy(update={"samples": facts})
    tensors = [torch.tensor(list(data), dtype=torch.uint8) for _, data in images]
    return replace(file, manifest=manifest, samples=tuple(tensors))


KINDS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}


@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_they_come_back_as_they_were(dtype: torch.dtype | None) -> None:
    images = [(kind, encoded(name)) for kind, name in KINDS.items()]
    data = with_samples(*images).to_bytes(dtype)
    read = TaskFile.from_bytes(data)
    assert [sample_bytes(each) for each in read.samples] == [image for _, image in images]
    assert [each.media_type for each in Preview.parse(data, len(data)).manifest.samples or ()] == [
        kind for kind, _ in images
    ]
    assert read.to_bytes() == data


def test_a_file_without_samples_says_nothing_of_them() -> None:
    assert "samples" not in task_file().manifest.document()
    assert TaskFile.from_bytes(task_file().to_bytes()).samples == ()


@pytest.mark.parametrize("claimed", KINDS)
@pytest.mark.parametrize(
    "data",
    [b"<svg onload=alert(1)>", b"<!DOCTYPE html><script>", b"GIF89a", b"\0", b"RIFF1234WAVE"],
)
def test_other_bytes_are_refused(claimed: str, data: bytes) -> None:
    with pytest.raises(InvalidTensors, match=rf"'samples.0': expected an image of type {claimed}"):
        with_samples((claimed, data))


@pytest.mark.parametrize("claimed", KINDS)
def test_a_type_is_not_that_of_another(claimed: str) -> None:
    found = {kind for kind, name in KINDS.items() if begins_as(encoded(name), claimed)}  # type: ignore[arg-type]
    assert found == {claimed}


PNG = encoded()


@pytest.mark.parametrize(
    ("images", "shape"),
    [
        ([b"\x89PNG\r\n\x1a\n" + bytes(MAX_SAMPLE_BYTES)], rf"\[{MAX_SAMPLE_BYTES + 8}\]"),
        ([PNG, b""], r"\[0\]"),
    ],
)
def test_a_sample_of_another_size_is_refused(images: list[bytes], shape: str) -> None:
    with pytest.raises(InvalidTensors, match=rf"expected one size of 1 to 65536 bytes, .*{shape}"):
        with_samples(*(("image/png", image) for image in images))


def raw(facts: list[dict[str, Any]], tensors: dict[str, torch.Tensor]) -> bytes:
    """A file as anybody could write it."""
    file = task_file()
    manifest = file.manifest.document() | {"samples": facts}
    text = json.dumps(manifest)
    return safetensors.torch.save(file.tensors() | tensors, metadata={METADATA_KEY: text})


FACTS = {"label": "rose", "media_type": "image/png"}
SAMPLE = torch.tensor(list(PNG), dtype=torch.uint8)


@pytest.mark.parametrize(
    ("facts", "tensors", "error", "words"),
    [
        ([FACTS], {}, InvalidTensors, "expected 'samples.0', found none"),
        ([FACTS], {"samples.1": SAMPLE}, InvalidTensors, "expected 'samples.0'"),
        (
            [FACTS],
            {"samples.0": SAMPLE, "samples.1": SAMPLE.clone()},
            InvalidTensors,
            "found 'samples.1' as well",
        ),
        ([FACTS], {"samples.0": SAMPLE.float()}, InvalidTensors, "expected one of U8, found F32"),
        ([FACTS], {"samples.0": SAMPLE[None]}, InvalidTensors, "expected one size of 1"),
        ([], {}, InvalidManifest, "at least 1 item"),
        ([FACTS] * (MAX_SAMPLES + 1), {}, InvalidManifest, f"at most {MAX_SAMPLES} items"),
        ([FACTS | {"media_type": "image/svg+xml"}], {}, InvalidManifest, "media_type"),
        ([FACTS | {"label": "a\nb"}], {}, InvalidManifest, "printable"),
        ([FACTS | {"label": ""}], {}, InvalidManifest, "label"),
        ([FACTS | {"src": "http://x"}], {}, InvalidManifest, "no field of this name"),
    ],
)
def test_what_does_not_agree_is_refused(
    facts: list[dict[str, Any]],
    tensors: dict[str, torch.Tensor],
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        TaskFile.from_bytes(raw(facts, tensors))


def test_this_file_is_sound() -> None:
    assert len(TaskFile.from_bytes(raw([FACTS], {"samples.0": SAMPLE})).samples) == 1
