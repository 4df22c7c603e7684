"""Backbones by name and from files: what loads, what is refused, and their identity."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from facet_vision import backbone
from tests.backbone.families import build

NAME = "vit_tiny_patch16_224"


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return backbone.load(NAME, pretrained=False, device="cpu").model.state_dict()


def test_a_timm_name_loads_with_its_preprocessing() -> None:
    net = backbone.load(NAME, pretrained=False, device="cpu")
    assert (net.name, net.feature_dim, net.layer_dims) == (NAME, 192, (192,) * 12)
    assert (net.input_size, net.mean, net.pooling) == ((3, 224, 224), (0.5, 0.5, 0.5), "token")
    assert not net.model.training
    assert not any(parameter.requires_grad for parameter in net.model.parameters())


def test_the_embedded_backbone_needs_no_network() -> None:
    net = backbone.load("facet-tiny", device="cpu")
    assert net.name == "facet-tiny"
    assert net.input_size == (3, 48, 48)
    assert net.features(torch.zeros(1, 3, 48, 48)).isfinite().all()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("shvit_s1", "found 'shvit_s1'"),
        ("no_such_model", "'no_such_model', which timm does not know"),
        ("vit_base_patch16_xp_224", "found 'vit_base_patch16_xp_224'"),
    ],
)
def test_other_architectures_are_refused_by_name(name: str, words: str) -> None:
    with pytest.raises(backbone.UnsupportedBackbone, match=words):
        backbone.load(name)


def test_a_class_without_a_forward_here_is_refused() -> None:
    with pytest.raises(backbone.UnsupportedBackbone, match="found Linear"):
        backbone.wrap(torch.nn.Linear(1, 1))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_local_checkpoint_replaces_the_download(
    suffix: str, weights: dict, tmp_path: Path
) -> None:
    path = tmp_path / f"weights{suffix}"
    changed = {**weights, "norm.bias": torch.ones(192), "head.weight": torch.zeros(3, 192)}
    save_file(changed, path) if suffix == ".safetensors" else torch.save(changed, path)
    net = backbone.load(NAME, checkpoint=path, device="cpu")
    assert net.model.norm.bias.eq(1).all()


def test_a_checkpoint_of_another_architecture_is_refused(weights: dict, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({k: v for k, v in weights.items() if "blocks.3." not in k}, path)
    with pytest.raises(
        backbone.BackboneError, match=r"12 tensors missing, 0 unknown .* blocks\.3\."
    ):
        backbone.load(NAME, checkpoint=path)


def test_damaged_and_absent_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with pytest.raises(backbone.BackboneError, match="found nothing at"):
        backbone.load(NAME, checkpoint=path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(backbone.BackboneError, match="expected weights that can be read"):
        backbone.load(NAME, checkpoint=path)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path, proof = tmp_path / "weights.pth", tmp_path / "ran"

    class Attack:
        def __reduce__(self) -> tuple:
            return (Path.touch, (proof,))

    torch.save({"weight": Attack()}, path)
    with pytest.raises(backbone.BackboneError, match="expected weights that can be read"):
        backbone.load(NAME, checkpoint=path)
    assert not proof.exists()


def test_device_and_dtype_are_checked() -> None:
    with pytest.raises(
        backbone.BackboneError,
        match="dtype: expected auto, float32, bfloat16, float16, found 'int8'",
    ):
        backbone.wrap(build("plain"), dtype="int8")
    with pytest.raises(
        backbone.BackboneError, match="device: expected auto, cpu or a device of this machine, "
    ):
        backbone.wrap(build("plain"), device="abacus")
    assert backbone.wrap(build("plain"), device="cpu", dtype="bfloat16").features(
        torch.zeros(1, 3, 32, 32)
    ).dtype == (torch.bfloat16)


@pytest.mark.parametrize("device", ["meta", "abacus", "hpu", "xla:0", "cpu:x", ""])
def test_a_device_that_this_machine_lacks_is_refused_in_a_sentence(device: str) -> None:
    expected = f"device: expected auto, cpu or a device of this machine, found '{device}' .*"
    with pytest.raises(backbone.BackboneError, match=expected):
        backbone.load("facet-tiny", device=device)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_the_answers_are_those_of_the_cpu() -> None:
    images, learned = torch.randn(4, 3, 32, 32), [torch.randn(5, 32)] * 3
    cpu, gpu = (backbone.wrap(build("plain"), device=device) for device in ("cpu", "cuda"))
    groups = [(cpu.encode(learned), 2), (cpu.encode([]), 2)]
    on_gpu = [(gpu.encode(learned), 2), (gpu.encode([]), 2)]
    expected, found = cpu.features_mixed(images, groups), gpu.features_mixed(images, on_gpu)
    torch.testing.assert_close(found.cpu(), expected, atol=1e-4, rtol=1e-4)
