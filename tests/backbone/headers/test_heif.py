"""AVIF and HEIC: read like other formats, and what they make their decoders decode is known."""

import struct
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from facet_vision import backbone
from facet_vision.backbone import decode
from facet_vision.backbone.headers import boxes, read_header
from tests.backbone.test_preprocess import encoded, noise

pytest.importorskip("pillow_heif", reason="the extra heic is not installed")

FORMATS = ("AVIF", "HEIF")
LIMIT = 64_000_000


def waves(size: tuple[int, int]) -> Image.Image:
    x, y = np.arange(size[0])[None, :, None], np.arange(size[1])[:, None, None]
    return Image.fromarray((127 + 100 * np.sin(x / 9 + y / 7 + np.arange(3))).astype(np.uint8))


def coded(data: bytes) -> int:
    return read_header(data, LIMIT).coded_pixels


def resized(data: bytes, width: int, height: int) -> bytes:
    """The same file, whose container says that the image has another size."""
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", width, height) + data[place + 8 :]


def lengthened(data: bytes, more: bytes) -> bytes:
    """The same file, with more data at the end of its only item."""
    ((part,),) = boxes.read(data).extents.values()
    assert part.stop == len(data)
    size = part.stop - part.start
    listed, held = data.index(b"iloc"), part.start - 8
    assert data[held + 4 : part.start] == b"mdat"
    data = data[:held] + struct.pack(">I", 8 + size + len(more)) + data[held + 4 :] + more
    place = data.index(struct.pack(">I", size), listed)
    return data[:place] + struct.pack(">I", size + len(more)) + data[place + 4 :]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_pictures_look_as_they_did(kind: str, mode: str) -> None:
    picture = waves((90, 60)).convert(mode)
    found = backbone.decode_image(encoded(picture, kind, quality=95))
    assert (found.mode, found.size) == ("RGB", (90, 60))
    off = np.abs(np.asarray(found).astype(int) - np.asarray(picture.convert("RGB")))
    assert off.mean() < 4


@pytest.mark.parametrize("kind", FORMATS)
def test_the_orientation_is_applied_once(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    dark_left = Image.new("L", (80, 40), 255)
    dark_left.paste(0, (0, 0, 40, 40))
    found = np.asarray(backbone.decode_image(encoded(dark_left, kind, exif=exif.tobytes())))
    assert found.shape == (80, 40, 3)  # turned clockwise: the left is above
    assert found[:30].mean() < 20
    assert found[50:].mean() > 235


@pytest.mark.parametrize("kind", FORMATS)
def test_the_limit_of_pixels_holds_before_anything_is_decoded(kind: str) -> None:
    data = encoded(noise(size=(96, 64)), kind)
    with pytest.raises(backbone.ImageError, match="expected at most 6143 pixels, found 96 x 64"):
        backbone.decode_image(data, max_pixels=6143)
    with pytest.raises(backbone.ImageError, match="expected at most 64000000 pixels, found 9000 x"):
        backbone.open_image(resized(data, 9000, 9000))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_strip_costs_no_more_than_others(kind: str) -> None:
    half = (0.5, 0.5, 0.5)
    data = encoded(Image.new("L", (4000, 16), 128), kind)
    pixels = backbone.Preprocess((3, 224, 224), half, half).decode(data)
    assert (np.abs(pixels.astype(int) - 128) < 3).all()


@pytest.mark.parametrize("kind", FORMATS)
def test_the_size_of_the_coded_frames_counts_and_not_what_the_container_says(kind: str) -> None:
    data = resized(encoded(noise(size=(320, 240)), kind), 16, 16)
    assert coded(data) >= 320 * 240
    with pytest.raises(backbone.ImageError, match="expected frames of at most 60000 pixels"):
        backbone.open_image(data, max_pixels=20_000)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_frame_counts(kind: str) -> None:
    data = encoded(noise(size=(320, 240)), kind)
    frame = {"AVIF": b"\x32\x02\x00\x00", "HEIF": b"\0\0\0\3\x26\x01\x80"}[kind]
    assert coded(data) == 320 * 240
    assert coded(lengthened(data, 99 * frame)) == 100 * 320 * 240
    with pytest.raises(backbone.ImageError, match="expected frames of at most 6000000 pixels"):
        backbone.open_image(lengthened(data, 99 * frame), max_pixels=2_000_000)


def test_a_sequence_is_its_first_frame() -> None:
    frames = [noise(size=(320, 240))] * 4
    for kind in FORMATS:
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert coded(data) <= 2 * 512 * 256  # AV1 frames may be as large as their size has bits
        assert backbone.decode_image(data).size == (320, 240)


def test_the_tiles_of_a_grid_count_with_their_padding() -> None:
    data = encoded(noise(size=(200, 120)), "HEIF", tile_size=64)
    assert coded(data) == 4 * 2 * 64 * 64
    assert backbone.decode_image(data).size == (200, 120)


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def container(
    items: Sequence[tuple[int, int, int]], references: bytes = b"", brand: bytes = b"avif"
) -> bytes:
    """A file of AV1 items, each with start and size of its data."""
    entries = [
        box(b"infe", struct.pack(">IHH4s", 2 << 24, item, 0, b"av01")) for item, _, _ in items
    ]
    places = [struct.pack(">HHHII", item, 0, 1, start, size) for item, start, size in items]
    return box(b"ftyp", brand, b"\0\0\0\0", brand) + box(
        b"meta",
        b"\0\0\0\0",
        box(b"pitm", b"\0\0\0\0\0\1"),
        box(b"iloc", b"\0\0\0\0\x44\0", struct.pack(">H", len(items)), *places),
        box(b"iinf", b"\0\0\0\0", struct.pack(">H", len(items)), *entries),
        box(b"iref", b"\0\0\0\0", references) if references else b"",
    )


def test_the_size_of_a_grid_counts_even_if_it_is_cropped_away() -> None:
    data = encoded(noise(size=(200, 120)), "HEIF", tile_size=64)
    grid = b"\0\0\1\3" + struct.pack(">HH", 200, 120)
    assert data.count(grid) == 1
    huge = data.replace(grid, grid[:4] + struct.pack(">HH", 60_000, 60_000))
    with pytest.raises(backbone.ImageError, match="found 60000 x 60000"):
        backbone.open_image(huge)


def test_items_that_share_their_data_are_refused() -> None:
    cells = range(2, 102)
    grid = box(b"dimg", struct.pack(">HH100H", 1, 100, *cells))
    data = container([(1, 0, 10), *((cell, 0, 500) for cell in cells)], grid)
    with pytest.raises(backbone.ImageError, match="expected items of at most"):
        backbone.open_image(data)


def test_items_made_of_one_another_are_refused() -> None:
    loop = box(b"dimg", struct.pack(">HHHH", 1, 2, 2, 2)) + box(
        b"dimg", struct.pack(">HHHH", 2, 2, 1, 1)
    )
    with pytest.raises(backbone.ImageError, match="expected at most 65536 items in a file"):
        backbone.open_image(container([(1, 0, 10), (2, 0, 10)], loop))


def test_a_file_of_nothing_but_boxes_is_refused_at_once() -> None:
    head = box(b"ftyp", b"avif\0\0\0\0avif")
    with pytest.raises(backbone.ImageError, match="expected at most 65536 boxes in a file"):
        backbone.open_image(head + 1_000_000 * box(b"free"))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_anywhere_is_refused_in_one_sentence(kind: str) -> None:
    data = encoded(noise(size=(64, 48)), kind)
    for cut in range(0, len(data) - 100, 37):
        with pytest.raises(backbone.ImageError) as caught:
            backbone.decode_image(data[:cut])
        assert "\n" not in str(caught.value)


def test_without_the_extra_heic_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    formats = tuple(name for name in decode.FORMATS if name != "HEIF")
    monkeypatch.setattr(decode, "FORMATS", formats)
    with pytest.raises(backbone.ImageError, match=r"found HEIC, which takes the extra 'heic'"):
        backbone.open_image(encoded(noise(), "HEIF"))
    assert backbone.decode_image(encoded(noise(), "AVIF")).size == (20, 12)
