"""Names that say where a backbone comes from: the registry, the hub, a folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import _hub

from facet_vision import backbone
from facet_vision.backbone import sources

NAME = "vit_tiny_patch16_224"


@pytest.fixture(scope="module")
def network() -> Any:
    torch.manual_seed(7)
    model = timm.create_model(NAME, num_classes=3, depth=2, img_size=96)
    model.norm.bias.data.fill_(0.25)
    return model.eval()


@pytest.fixture
def folder(network: Any, tmp_path: Path) -> Path:
    """A folder as timm writes it for its hub: a network of two layers for 96 pixels."""
    config = {
        "architecture": NAME,
        "num_classes": 3,
        "model_args": {"depth": 2, "img_size": 96},
        "pretrained_cfg": {
            "input_size": [3, 96, 96],
            "fixed_input_size": True,
            "num_classes": 3,
            "mean": [0.1, 0.2, 0.3],
            "std": [0.4, 0.5, 0.6],
            "crop_pct": 0.8,
            "interpolation": "bilinear",
            "first_conv": "patch_embed.proj",
            "classifier": "head",
        },
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    return tmp_path


@pytest.fixture
def hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The hub with one repository, and what was asked of it."""
    asked = []

    def download(repo_id: str, filename: str, **_: object) -> str:
        asked.append((repo_id, filename))
        if repo_id not in ("owner/net", "timm/vit_tiny_patch16_224.of_tomorrow"):
            raise OSError("no such repository")
        return str(folder / filename)

    monkeypatch.setattr(_hub, "hf_hub_download", download)
    return asked


def check(net: backbone.Backbone, network: Any) -> None:
    assert (net.input_size, len(net.layer_dims)) == ((3, 96, 96), 2)
    assert (net.mean, net.preprocess.crop_pct) == ((0.1, 0.2, 0.3), 0.8)
    images = torch.randn(2, 3, 96, 96)
    expected = network.forward_head(network.forward_features(images), pre_logits=True)
    torch.testing.assert_close(net.features(images), expected, atol=1e-5, rtol=1e-5)


def test_a_folder_of_timm_is_loaded(folder: Path, network: Any) -> None:
    net = backbone.load(f"local-dir:{folder}", device="cpu")
    assert net.name == f"local-dir:{folder}"
    check(net, network)


@pytest.mark.parametrize("name", ["hf-hub:owner/net", "hf_hub:owner/net"])
def test_a_repository_of_the_hub_is_loaded(
    name: str, hub: list[tuple[str, str]], network: Any
) -> None:
    check(backbone.load(name, device="cpu"), network)
    assert {repository for repository, _ in hub} == {"owner/net"}


def test_a_release_of_timm_that_the_registry_does_not_know_comes_from_the_hub(
    hub: list[tuple[str, str]], network: Any
) -> None:
    check(backbone.load(f"timm/{NAME}.of_tomorrow", device="cpu"), network)
    assert hub


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (NAME, NAME),
        (f"timm/{NAME}", NAME),
        (f"timm/{NAME}.augreg_in21k", f"{NAME}.augreg_in21k"),
    ],
)
def test_the_hubs_name_of_a_registered_release_is_the_registrys(
    name: str, expected: str, hub: list[tuple[str, str]]
) -> None:
    assert sources.find(name) == sources.Source(expected, NAME)
    assert not hub
    net = backbone.load(name, pretrained=False, device="cpu")
    assert (net.name, net.input_size) == (name, (3, 224, 224))


def test_what_a_folder_lacks_is_not_left_random(folder: Path, network: Any) -> None:
    state = dict(network.state_dict())
    del state["blocks.1.attn.qkv.weight"]
    save_file(state, folder / "model.safetensors")
    with pytest.raises(backbone.BackboneError, match=r"1 tensors missing.*blocks\.1\.attn\.qkv"):
        backbone.load(f"local-dir:{folder}", device="cpu")


def test_a_checkpoint_wins_over_the_weights_of_a_folder(
    folder: Path, network: Any, tmp_path: Path
) -> None:
    other = tmp_path / "other.pth"
    torch.save({**network.state_dict(), "norm.bias": torch.ones(192)}, other)
    net = backbone.load(f"local-dir:{folder}", checkpoint=other, device="cpu")
    assert net.model.norm.bias.eq(1).all()


def test_another_name_of_the_one_weight_file_is_found(folder: Path, network: Any) -> None:
    (folder / "model.safetensors").rename(folder / "best.safetensors")
    check(backbone.load(f"local-dir:{folder}", device="cpu"), network)


def several(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    (folder / "b.pth").write_bytes(b"")


def configured(**config: object) -> Callable[[Path], None]:
    return lambda folder: (folder / "config.json").write_text(json.dumps(config)) and None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "config.json").unlink(), "its config.json cannot be read here"),
        (lambda folder: (folder / "config.json").write_text("{"), "its config.json cannot be read"),
        (configured(model_type="vit"), "expected a config.json that names an architecture of timm"),
        (configured(architecture="shvit_s1"), "expected one of the names"),
        (configured(architecture="tomorrow"), "which timm does not know"),
        (lambda folder: (folder / "model.safetensors").unlink(), "weight file, found none"),
        (several, "one other weight file, found a.safetensors, b.pth"),
    ],
    ids=["no config", "torn", "transformers", "resnet", "unknown", "no weights", "two weights"],
)
def test_a_folder_that_does_not_do_is_refused(
    change: Callable[[Path], None], words: str, folder: Path
) -> None:
    change(folder)
    with pytest.raises(backbone.BackboneError, match=words) as raised:
        backbone.load(f"local-dir:{folder}", device="cpu")
    assert "\n" not in str(raised.value)


def test_a_repository_that_is_not_there_is_refused(hub: list[tuple[str, str]]) -> None:
    with pytest.raises(backbone.BackboneError, match=r"config.json cannot be read.*no such repo"):
        backbone.load("hf-hub:owner/other", device="cpu")
    assert hub


def test_a_repository_without_its_source_is_told_how_to_say_it() -> None:
    with pytest.raises(backbone.UnsupportedBackbone, match="is hf-hub:owner/net"):
        backbone.load("owner/net")
