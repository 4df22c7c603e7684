"""Sample images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facet_vision.backbone import decode_image
from facet_vision.prompts_store import TaskFile
from facet_vision.prompts_store.samples.facts import MAX_SAMPLE_BYTES
from facet_vision.prompts_store.taskfile import sample_bytes
from facet_vision.training.data.datasets import Examples, TaskData
from facet_vision.training.output.samples import save_samples, with_samples
from tests.prompts_store.task_examples import task_file


def _data(labels: tuple[str, ...], targets: list[int]) -> TaskData:
    images = [Image.new("RGB", (4, 4), (index, 0, 0)) for index in range(len(targets))]
    return TaskData(Examples([], []), Examples(images, targets), labels, "test")


def test_first_image_of_labels_spread_over_all(tmp_path: Path) -> None:
    data = _data(tuple("abcdef"), [5, 4, 3, 2, 1, 0, 0, 2, 4])
    paths = save_samples(data, tmp_path / "new", 3)
    assert [path.name for path in paths] == ["a-5.png", "c-3.png", "e-1.png"]
    assert np.asarray(Image.open(paths[1]))[0, 0].tolist() == [3, 0, 0]


def test_names_are_safe_and_absent_labels_are_skipped(tmp_path: Path) -> None:
    data = _data(("a", "b/../c d"), [1, 1])
    assert [path.name for path in save_samples(data, tmp_path)] == ["b_.._c_d-0.png"]


def test_in_the_file_they_are_those_of_the_folder(tmp_path: Path) -> None:
    data = _data(tuple("abcdef"), [5, 4, 3, 2, 1, 0, 0, 2, 4])
    task = with_samples(task_file(), data, 3)
    again = TaskFile.from_bytes(task.to_bytes())
    assert [each.label for each in again.manifest.samples or ()] == ["a", "c", "e"]
    written = [path.read_bytes() for path in save_samples(data, tmp_path, 3)]
    assert [sample_bytes(each) for each in again.samples] == written
    assert again.manifest.model_copy(update={"samples": None}) == task_file().manifest


def test_none_are_there_unless_they_are_asked_for() -> None:
    task = with_samples(task_file(), _data(("a", "b"), [0, 1]), 0)
    assert task.samples == ()
    assert task.manifest.samples is None


@pytest.mark.parametrize(("size", "shown"), [((1200, 900), (256, 192)), ((90, 40), (90, 40))])
def test_a_photo_is_made_small_and_says_nothing_of_its_camera(
    size: tuple[int, int], shown: tuple[int, int]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    photo = Image.fromarray(noise)
    photo.info["exif"] = b"Exif\0\0where it was taken"
    photo.info["comment"] = b"where it was taken"
    data = TaskData(Examples([], []), Examples([photo], [0]), ("a",), "test")
    task = with_samples(task_file(), data, 1)
    encoded = sample_bytes(task.samples[0])
    assert len(encoded) <= MAX_SAMPLE_BYTES
    assert decode_image(encoded).size == shown
    assert b"taken" not in encoded
