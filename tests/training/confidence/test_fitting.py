"""What is stated is of images that it was not fitted to, and only where it helps these."""

import pytest
import torch

from facet_vision.training.confidence.fitting import LEAST_IMAGES, calibration_error, fit
from tests.training.confidence.test_temperature import drawn


def test_a_task_that_is_too_sure_gets_a_temperature() -> None:
    logits, targets = drawn(0, 1000)
    found = fit(logits * 4, targets)
    assert found.temperature == pytest.approx(4, rel=0.15)
    assert found.class_thresholds is None
    assert found.metrics["calibration_error_before"] == calibration_error(logits * 4, targets)
    assert found.metrics["calibration_error"] < found.metrics["calibration_error_before"] / 3
    # cross-fitted: not what the temperature does to the images that it was fitted to
    own = calibration_error(logits * 4 / found.temperature, targets)
    assert found.metrics["calibration_error"] != own
    assert found.metrics["calibration_error"] == pytest.approx(own, abs=0.02)


def test_from_few_images_nothing_is_stated() -> None:
    logits, targets = drawn(1, LEAST_IMAGES - 1)
    assert fit(logits * 9, targets).temperature is None
    assert fit(logits * 9, targets).metrics == {}
    logits, targets = drawn(1, LEAST_IMAGES)
    assert fit(logits * 9, targets).temperature is not None


def test_a_temperature_that_helps_no_other_image_is_not_stated() -> None:
    """Of a task that is sound already, what is fitted is noise as often as not."""
    found = [fit(*drawn(seed, 60)) for seed in range(20)]
    without = [each for each in found if each.temperature is None]
    assert 3 <= len(without) <= 20
    assert all(set(each.metrics) == {"calibration_error"} for each in without)


def test_several_labels() -> None:
    random = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(600, 3, generator=random)
    targets = (torch.rand(600, 3, generator=random) < (logits - 2).sigmoid()).float()
    targets[:, 2] = 0
    found = fit(logits * 3, targets)
    assert found.temperature is not None
    assert found.class_thresholds is not None
    first, _, third = found.class_thresholds
    assert 0.5 < first < 1
    assert third == 0.5  # no image has the label
    assert set(found.metrics) == {
        *("calibration_error", "calibration_error_before", "macro_f1_at_thresholds"),
    }
    few = fit(logits[:15], targets[:15])
    assert (few.temperature, few.class_thresholds, few.metrics) == (None, (0.5,) * 3, {})


def test_calibration_error_by_hand() -> None:
    sure = torch.tensor([[0.0, 0.0], [0.0, 0.0]])
    assert calibration_error(sure, torch.tensor([0, 0])) == pytest.approx(0.5)
    assert calibration_error(sure, torch.tensor([[1.0, 0.0], [0.0, 1.0]])) == pytest.approx(0)
