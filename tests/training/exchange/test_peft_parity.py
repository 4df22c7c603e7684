"""An imported adapter gives the logits that PEFT gives, merged and not, and so in a mixed batch."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from tests.training.exchange.adapters import (
    SIZES,
    SWIN,
    Trained,
    answers,
    images,
    timm_adapter,
    transformers_adapter,
)

pytest.importorskip("peft", reason="peft is not installed")
pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated"),
    # PEFT's, of the biases of pairs, which it takes for matrices that lost a size
    pytest.mark.filterwarnings("ignore:Adapter 'default'. .* have invalid shape"),
]

EXACT = {"atol": 1e-5, "rtol": 1e-5}

TIMM: dict[str, tuple[str, dict[str, Any]]] = {
    "qkv": ("plain", {"target_modules": ["qkv"]}),
    "every linear layer": (
        "plain",
        {"target_modules": ["qkv", "attn.proj", "fc1", "fc2"], "lora_alpha": 3},
    ),
    "patterns": (
        "plain",
        {
            "target_modules": ["qkv", "fc1"],
            "rank_pattern": {"blocks.0.attn.qkv": 2, "fc1": 3},
            "alpha_pattern": {r"blocks\.[12]\..*": 5},
        },
    ),
    "targets by a pattern": ("plain", {"target_modules": r"blocks\.[02]\.attn\.qkv"}),
    "all targets": ("plain", {"target_modules": "all-linear"}),
    "rank-stabilised": ("plain", {"target_modules": ["qkv"], "use_rslora": True}),
    "some layers": (
        "plain",
        {"target_modules": ["qkv"], "layers_to_transform": [1], "layers_pattern": "blocks"},
    ),
    "biases of adapted layers": ("plain", {"target_modules": ["qkv"], "bias": "lora_only"}),
    "all biases": ("plain", {"target_modules": ["fc2"], "bias": "all"}),
    "biases of the pairs": ("plain", {"target_modules": ["qkv"], "lora_bias": True}),
    "no biases in the base": ("no-bias", {"target_modules": ["qkv"], "bias": "all"}),
    "average pooling": ("average-fc-norm", {"target_modules": ["qkv"], "bias": "all"}),
    "dinov2": ("dinov2-registers", {"target_modules": ["qkv", "fc2"]}),
    "swin": ("swin", {"target_modules": ["qkv", "attn.proj", "fc1"]}),
    "swin, biases of adapted layers": (
        "swin",
        {"target_modules": ["qkv", "fc1"], "bias": "lora_only"},
    ),
    "swin, three stages": ("swin-three-stages", {"target_modules": ["qkv", "fc2"], "r": 2}),
}


def vit() -> Any:
    return transformers.ViTForImageClassification(
        transformers.ViTConfig(**SIZES, intermediate_size=128)
    )


def swin() -> Any:
    return transformers.SwinForImageClassification(transformers.SwinConfig(**SWIN))


QUERY_VALUE = ["q_proj", "v_proj"]

TRANSFORMERS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "query and value": (vit, "plain", {"target_modules": QUERY_VALUE}),
    "key alone": (vit, "plain", {"target_modules": ["k_proj"]}),
    "every linear layer": (
        vit,
        "plain",
        {"target_modules": [*QUERY_VALUE, "k_proj", "o_proj", "fc1", "fc2"], "lora_alpha": 5},
    ),
    "unequal ranks": (
        vit,
        "plain",
        {
            "target_modules": QUERY_VALUE,
            "rank_pattern": {"layers.0.attention.q_proj": 1, "v_proj": 3},
            "alpha_pattern": {"v_proj": 2},
        },
    ),
    "rank-stabilised, unequal ranks": (
        vit,
        "plain",
        {"target_modules": QUERY_VALUE, "use_rslora": True, "rank_pattern": {"v_proj": 6}},
    ),
    "targets by a pattern": (vit, "plain", {"target_modules": r".*\.1\..*\.(q|v|o)_proj"}),
    "biases": (vit, "plain", {"target_modules": QUERY_VALUE, "bias": "all"}),
    "biases of adapted layers": (
        vit,
        "plain",
        {"target_modules": ["q_proj", "fc1"], "bias": "lora_only"},
    ),
    "biases of the pairs": (vit, "plain", {"target_modules": QUERY_VALUE, "lora_bias": True}),
    "swin": (swin, "swin", {"target_modules": [*QUERY_VALUE, "o_proj", "fc2"]}),
}


def check(trained: Trained) -> None:
    task = trained.task()
    found = answers(task, trained.net, images())
    torch.testing.assert_close(found, trained.logits(images()), **EXACT)
    bare = task.head(trained.net.features(images()))
    assert not torch.allclose(found, bare, atol=1e-2)
    merged = trained.model.merge_and_unload()
    with torch.no_grad():
        expected = merged(images())
    torch.testing.assert_close(found, getattr(expected, "logits", expected), **EXACT)


@pytest.mark.parametrize("case", TIMM)
def test_adapters_of_timm(case: str, tmp_path: Path) -> None:
    variant, options = TIMM[case]
    check(timm_adapter(tmp_path, variant, **options))


@pytest.mark.parametrize("case", TRANSFORMERS)
def test_adapters_of_transformers(case: str, tmp_path: Path) -> None:
    make, variant, options = TRANSFORMERS[case]
    check(transformers_adapter(tmp_path, make, variant, **options))


FOURTH = {
    ".layers.": ".encoder.layer.",
    ".attention.q_proj.": ".attention.attention.query.",
    ".attention.k_proj.": ".attention.attention.key.",
    ".attention.v_proj.": ".attention.attention.value.",
    ".attention.o_proj.": ".attention.output.dense.",
    ".mlp.fc1.": ".intermediate.dense.",
    ".mlp.fc2.": ".output.dense.",
}
"""Names of the fifth version of `transformers`, and what they were before."""


def test_names_of_the_fourth_version_of_transformers(tmp_path: Path) -> None:
    targets = [*QUERY_VALUE, "k_proj", "o_proj", "fc1", "fc2"]
    trained = transformers_adapter(tmp_path, vit, target_modules=targets)
    file = tmp_path / "adapter_model.safetensors"
    renamed = {}
    for name, tensor in load_file(file).items():
        for new, old in FOURTH.items():
            name = name.replace(new, old)
        renamed[name] = tensor
    assert "base_model.model.vit.encoder.layer.0.attention.attention.query.lora_A.weight" in renamed
    save_file(renamed, file)
    check(trained)


def test_names_of_a_network_of_timm_in_transformers(tmp_path: Path) -> None:
    trained = timm_adapter(tmp_path, target_modules=["qkv"], rank_pattern={"blocks.1.attn.qkv": 2})
    file, base = tmp_path / "adapter_model.safetensors", "base_model.model."
    wrapped = {
        name.replace(base, f"{base}timm_model."): value for name, value in load_file(file).items()
    }
    save_file(wrapped, file)
    check(trained)


def test_three_adapters_of_different_rank_in_one_batch(tmp_path: Path) -> None:
    """Mixed adapters with heads of their own, each row another one."""
    options = (
        {"r": 1, "target_modules": QUERY_VALUE},
        {"r": 3, "target_modules": ["fc1"], "bias": "all"},
        {"r": 8, "target_modules": ["k_proj", "o_proj"], "use_rslora": True},
    )
    trained = [
        transformers_adapter(tmp_path / str(index), vit, seed=index, **each)
        for index, each in enumerate(options)
    ]
    net, inputs = trained[0].net, images(6)
    tasks = [each.task() for each in trained]
    rows = [0, 1, 2, 1, 0, 2]
    encoded = [net.encode(task.prompts, task.parts) for task in tasks]
    with torch.no_grad():
        features = net.features_mixed(inputs, [(encoded[row], 1) for row in rows])
        for index, row in enumerate(rows):
            one = inputs[index : index + 1]
            mixed = tasks[row].head(features[index : index + 1])
            torch.testing.assert_close(mixed, answers(tasks[row], net, one), **EXACT)
            torch.testing.assert_close(mixed, trained[row].logits(one), **EXACT)
