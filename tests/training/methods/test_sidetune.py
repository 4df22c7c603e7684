"""Side-tuning."""

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torchvision.models import AlexNet

from facet_vision.training.errors import TrainingError
from facet_vision.training.methods.sidetune import side_network
from tests.training.support.methods import images, method, network


def test_sidetune_mixes_both_networks() -> None:
    made = method("sidetune", network("plain"))
    batch = images()
    with torch.no_grad():
        side, main = made._side(batch), network("plain").features(batch)
        torch.testing.assert_close(made.features(batch), 0.5 * main + 0.5 * side)
        made.side_alpha.fill_(50.0)
        torch.testing.assert_close(made.features(batch), main)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((32, 32), (96, 96)), ((48, 60), (96, 120)), ((100, 90), (107, 96)), ((96, 128), (96, 128))],
)
def test_small_images_are_enlarged_for_the_side_network(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    made, seen = method("sidetune", network("plain")), list[tuple[int, ...]]()
    made.side.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape[2:])))
    assert made._side(torch.zeros(1, 3, *size)).shape == (1, 32)
    assert seen == [expected]


def test_side_network_reads_torchvisions_file(tmp_path: Path) -> None:
    with torch.device("meta"):
        model = AlexNet()
    state = {
        name: torch.full(value.shape, 0.01)
        for name, value in model.state_dict().items()
        if value.ndim != 2
    }
    safetensors.torch.save_file(state, tmp_path / "alexnet.safetensors")
    side = method("sidetune", network("plain"), side_weights=tmp_path / "alexnet.safetensors").side
    assert all((parameter == 0.01).all() for parameter in side.parameters())
    assert side.state_dict().keys() == model.features.state_dict().keys()


@pytest.mark.parametrize(
    "content", [b"no weights", safetensors.torch.save({"features.0.weight": torch.zeros(3)})]
)
def test_other_side_weights_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "alexnet.safetensors"
    path.write_bytes(content)
    with pytest.raises(
        TrainingError,
        match=r"^side_weights: expected AlexNet's weights, found .*alexnet.safetensors \(.+\)$",
    ):
        side_network(path)


def test_missing_side_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"^side_weights: expected a file, found none at .*alexnet\.pth$"
    ):
        side_network(tmp_path / "alexnet.pth")
