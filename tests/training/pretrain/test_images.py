"""Generator of pretraining images."""

import pytest
import torch

from facet_vision.training.pretrain.augment import augment
from facet_vision.training.pretrain.images import BACKGROUNDS, SURFACES, Shapes, compose, seeded
from facet_vision.training.pretrain.images.contours import contour_masks
from facet_vision.training.pretrain.images.fractals import fractal_masks
from facet_vision.training.pretrain.images.strokes import stroke_masks


@pytest.fixture(scope="module")
def shapes():
    return Shapes.draw(per_kind=2, variants=2, seed=5)


@pytest.mark.parametrize("kind", [contour_masks, fractal_masks, stroke_masks])
def test_masks_are_coverages_that_differ_between_classes_and_variants(kind):
    masks = kind(3, 2, 32, seeded(1))
    assert masks.shape == (3, 2, 32, 32)
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert (masks.mean(dim=(2, 3)) > 0.02).all()
    assert not torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0, 0], masks[0, 1])


@pytest.mark.parametrize("family", BACKGROUNDS, ids=lambda family: family.__name__)
def test_backgrounds_fill_the_unit_interval(family):
    fields = family(4, 48, seeded(2))
    assert fields.shape == (4, 48, 48)
    assert fields.min() >= 0
    assert fields.max() <= 1
    assert (fields.std(dim=(1, 2)) > 0.01).all()


def test_shapes_of_a_seed_are_always_the_same(shapes):
    assert torch.equal(shapes.masks, Shapes.draw(2, 2, 5).masks)
    assert not torch.equal(shapes.masks, Shapes.draw(2, 2, 6).masks)


def test_scenes_have_images_foreground_and_labels(shapes):
    scene = compose(shapes, 40, seeded(3))
    assert scene.images.shape == (40, 3, 48, 48)
    assert scene.images.dtype == torch.uint8
    assert scene.foreground.shape == (40, 24, 24)
    assert (scene.foreground.amax(dim=(1, 2)) > 64).all()
    assert scene.shape.max() < shapes.classes
    assert scene.surface.max() < len(SURFACES)
    assert scene.background.max() < len(BACKGROUNDS)


def test_scenes_of_a_seed_are_always_the_same(shapes):
    first, again, other = (compose(shapes, 8, seeded(*seed)) for seed in ((4, 1), (4, 1), (4, 2)))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.foreground, again.foreground)
    assert not torch.equal(first.images, other.images)


def test_augmentation_moves_image_and_foreground_alike():
    images = torch.zeros(16, 3, 48, 48, dtype=torch.uint8)
    images[:, :, 20:24, 30:34] = 255
    foreground = torch.zeros(16, 24, 24, dtype=torch.uint8)
    foreground[:, 10:12, 15:17] = 255
    moved, mask = augment(images, foreground, seeded(6))
    assert moved.shape == (16, 3, 48, 48)
    contrast = (moved - moved[:, :, :1, :1]).abs().amax(dim=1) > 0.05
    assert torch.equal(contrast[:, ::2, ::2], mask > 0.5)
    assert not torch.equal(mask[0], mask[1]) or not torch.equal(mask[0], mask[2])
