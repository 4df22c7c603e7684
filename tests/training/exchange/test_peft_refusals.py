"""What no task file can hold is refused in one sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from facet_vision import backbone
from facet_vision.prompts_store import InvalidManifest, InvalidTensors
from facet_vision.training.errors import ExchangeError
from facet_vision.training.exchange.labels import Labels, given_labels, labels_beside
from facet_vision.training.exchange.peft import read_adapter
from facet_vision.training.exchange.peft.parts import joined
from tests.backbone.families import build
from tests.training.exchange.adapters import SIZES, Trained, timm_adapter, transformers_adapter

pytest.importorskip("peft", reason="peft is not installed")
pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated"),
    pytest.mark.filterwarnings("ignore:Unsupported layer type"),
]

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
HEAD = "base_model.model.head.weight"
A = "base_model.model.blocks.0.attn.qkv.lora_A.weight"
B = "base_model.model.blocks.0.attn.qkv.lora_B.weight"


@pytest.fixture
def adapter(tmp_path: Path) -> Trained:
    return timm_adapter(tmp_path, target_modules=["qkv"])


def refused(adapter: Trained, words: str, **options: Any) -> None:
    with pytest.raises(ExchangeError, match=words) as caught:
        adapter.task(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"peft_type": "IA3"}, "adapter_config.json, peft_type: input should be 'LORA', found"),
        ({"use_dora": True}, "use_dora: expected none, for a task file holds .* found True"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out: expected none, for .* found True"),
        ({"rank_pattern": {"qkv": 0}}, "rank_pattern.qkv: input should be greater than or equal"),
        ({"r": 0}, "r: input should be greater than or equal to 1, found 0"),
        ({"bias": "some"}, "bias: input should be 'none', 'lora_only' or 'all', found 'some'"),
        ({"lora_alpha": "high"}, "lora_alpha: input should be a valid number.*found 'high'"),
        ({"use_qalora": True}, "use_qalora: expected none, for a task file .* found True"),
        ({"target_parameters": ["x"]}, r"target_parameters: expected none, .* found \['x'\]"),
        ({"trainable_token_indices": [1]}, "trainable_token_indices: expected none"),
        ({"layer_replication": [[0, 2]]}, "layer_replication: expected none"),
        ({"kasa_config": {"beta": 1}}, "kasa_config: expected none"),
        ({"unheard_of": "x"}, "unheard_of: expected none"),
        ({"init_lora_weights": "pissa_niter_4"}, "init_lora_weights: expected one that leaves"),
        ({"init_lora_weights": "OLoRA"}, "init_lora_weights: .* found 'OLoRA'; save the adapter"),
        ({"rank_pattern": {"(": 4}}, r"pattern: expected a regular expression, found '\('"),
        ({"r": 3}, "rank of 'blocks.0.attn.qkv': expected 3 as the settings say, found 4 and 4"),
    ],
)
def test_settings(adapter: Trained, fields: dict[str, Any], words: str) -> None:
    adapter.change(CONFIG, **fields)
    refused(adapter, words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[1]", r"adapter_config.json: expected a JSON object, found \[1\]"),
        ("{", "adapter_config.json: expected valid JSON, found a fault"),
        ('{"r": 1, "r": 2}', "adapter_config.json: expected valid JSON, .* stands there twice"),
        ("{}", "adapter_config.json, peft_type: field required"),
    ],
)
def test_settings_that_are_none(adapter: Trained, content: str, words: str) -> None:
    (adapter.folder / CONFIG).write_text(content)
    refused(adapter, words)


def test_missing_files(adapter: Trained, tmp_path: Path) -> None:
    (adapter.folder / TENSORS).unlink()
    refused(adapter, "adapter_model.safetensors: expected one in .*, found none$")
    (adapter.folder / "adapter_model.bin").write_bytes(b"cposix\nsystem\n")
    refused(adapter, "found adapter_model.bin, a pickle, which is not read; convert it where")
    (adapter.folder / CONFIG).unlink()
    refused(adapter, f"adapter_config.json: expected one in {tmp_path}, found none")


def test_a_damaged_file(adapter: Trained) -> None:
    file = adapter.folder / TENSORS
    file.write_bytes(file.read_bytes()[:-1])
    refused(adapter, "adapter_model.safetensors: expected sound safetensors, found a fault")


def without(name: str) -> Callable[[dict[str, Tensor]], object]:
    return lambda tensors: tensors.pop(name)


def put(name: str, tensor: Tensor) -> Callable[[dict[str, Tensor]], object]:
    return lambda tensors: tensors.update({name: tensor})


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (without(A), "expected 'blocks.0.attn.qkv.lora_A.weight', found none of that name"),
        (without(B), "expected 'blocks.0.attn.qkv.lora_B.weight', found none of that name"),
        (without(HEAD), "modules_to_save: expected a head of one linear layer, .* found head"),
        (put("blocks.0", torch.ones(1)), "expected names that begin with 'base_model.model.'"),
        (put(A, torch.zeros(4, 31)), r"lora_A.weight': expected \[4, 32\] .*, found \[4, 31\]"),
        (put(B, torch.zeros(95, 4)), r"lora_B.weight': expected \[96, 4\] .*, found \[95, 4\]"),
        (put(B, torch.zeros(96)), r"expected two sizes, as a linear layer has, found \[96\]"),
        (
            put("base_model.model.norm.weight", torch.ones(32)),
            "tensor 'norm.weight': expected low-rank pairs, biases .* no task file can hold",
        ),
        (
            put("base_model.model.blocks.0.norm1.bias", torch.ones(31)),
            r"shape of 'blocks.0.norm1.bias': expected \[32\] .*, found \[31\]",
        ),
        (
            put("base_model.model.blocks.0.attn.qkv.lora_A.bias", torch.ones(4)),
            "tensor 'blocks.0.attn.qkv.lora_A.bias': expected",
        ),
        (
            put("base_model.model.blocks.0.attn.qkv.lora_magnitude_vector", torch.ones(96)),
            "tensor 'blocks.0.attn.qkv.lora_magnitude_vector': expected",
        ),
        (put(HEAD, torch.zeros(5, 64)), r"shape of the head: expected \[labels, 32\], .*\[5, 64\]"),
    ],
)
def test_tensors(adapter: Trained, edit: Callable[[dict[str, Tensor]], object], words: str) -> None:
    file = adapter.folder / TENSORS
    tensors = load_file(file)
    edit(tensors)
    save_file(tensors, file)
    refused(adapter, words)


def test_values_that_are_no_numbers(adapter: Trained) -> None:
    file = adapter.folder / TENSORS
    save_file(load_file(file) | {HEAD: torch.full((5, 32), torch.inf)}, file)
    with pytest.raises(InvalidTensors, match=r"values of 'head\.weight': expected finite"):
        adapter.task()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target_modules": ["proj"]}, "shape of 'patch_embed.proj.lora_A.weight': expected two"),
        ({"target_modules": ["qkv", "head"], "modules_to_save": None}, "modules_to_save: .* none"),
        ({"target_modules": ["qkv"], "modules_to_save": ["head", "norm"]}, "tensor 'norm.weight'"),
        ({"target_modules": ["qkv"], "modules_to_save": None}, "expected a head .* found none"),
    ],
)
def test_targets(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    refused(timm_adapter(tmp_path, **options), words)


def test_a_linear_layer_that_is_no_site(tmp_path: Path) -> None:
    trained = timm_adapter(tmp_path, "dinov2-giant", target_modules=["fc1"])
    refused(trained, "target_modules: expected linear layers .*, found 'blocks.0.mlp.fc1'")


def test_biases_that_a_task_cannot_change(tmp_path: Path) -> None:
    """Of Swin's merging of patches, which is no part of a block."""
    trained = timm_adapter(tmp_path, "swin", target_modules=["qkv"], bias="all")
    refused(trained, "tensor 'layers.1.downsample.norm.bias': expected low-rank pairs, biases of")


def test_layers_beyond_the_backbone(adapter: Trained) -> None:
    short = backbone.wrap(build("one-layer"), device="cpu")
    trained = Trained(adapter.model, adapter.folder, short)
    refused(trained, "target_modules: expected linear layers .*, found 'blocks.1.attn.qkv'")


def test_heads_that_read_another_feature(tmp_path: Path) -> None:
    two_heads = timm_adapter(tmp_path / "1", "deit-distilled", target_modules=["qkv"])
    refused(two_heads, "expected one whose feature a single head reads, .* has two heads")

    def vit() -> Any:
        return transformers.ViTForImageClassification(
            transformers.ViTConfig(**SIZES, intermediate_size=128)
        )

    trained = transformers_adapter(tmp_path / "2", vit, target_modules=["q_proj"])
    averaging = backbone.wrap(build("plain", global_pool="avg", fc_norm=False), device="cpu")
    refused(
        Trained(trained.model, trained.folder, averaging),
        "pooling of .*: expected 'token', which the head of a 'vit' classifier reads, found 'avg'",
    )


def test_a_deit_of_transformers(adapter: Trained) -> None:
    file, base = adapter.folder / TENSORS, "base_model.model."
    tensors = {
        name.replace(base, f"{base}deit."): value for name, value in load_file(file).items()
    } | {f"{base}classifier.weight": torch.zeros(5, 32)}
    del tensors[f"{base}deit.head.weight"], tensors[f"{base}deit.head.bias"]
    save_file(tensors, file)
    refused(adapter, "expected a base whose feature is that of one token, found a 'deit' of")


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("microsoft/swin-tiny-patch4-window7-224", "a base of family ViT, .* found 'microsoft/swi"),
        ("microsoft/beit-base-patch16-224", "a base of family ViT, as "),
        ("google/vit-base-patch16-224", "a base of patch 8, as"),
        ("someone/vit-patch8-384", "a base of pixels 32, as"),
        ("vit_tiny_patch32_224.augreg", "a base of patch 8, as"),
    ],
)
def test_bases_of_another_architecture(adapter: Trained, base: str, words: str) -> None:
    adapter.change(base_model_name_or_path=base)
    refused(adapter, f"base_model_name_or_path: expected {words}")


@pytest.mark.parametrize(
    "base",
    [None, "", "./runs/swin", "/models/beit-base-patch16-224", "google/vit-base-in21k", "mine",
     "someone/vit-tiny-imagenet-base", "someone/vit-run-100", "facebook/deit-base"],
)  # fmt: skip
def test_bases_that_may_be_the_backbone(adapter: Trained, base: str | None) -> None:
    adapter.change(base_model_name_or_path=base)
    recorded = adapter.task().manifest
    assert recorded.recipe.get("base_model_name_or_path") == base
    assert (base or "a base without a name") in recorded.data


def test_other_weights_of_the_same_architecture(adapter: Trained) -> None:
    adapter.net.name = "vit_mini_patch8.one"
    adapter.change(base_model_name_or_path="timm/vit_mini_patch8.two")
    refused(adapter, "expected the weights 'one', as vit_mini_patch8.one has, found 'timm/vit_mini")
    assert adapter.task(own_weights=True).parts
    adapter.change(base_model_name_or_path="timm/vit_mini_patch8.one")
    assert adapter.task().parts


def test_labels(adapter: Trained, tmp_path: Path) -> None:
    refused(adapter, "labels: expected 5, as the head has, found 2", labels=Labels(["a", "b"]))
    with pytest.raises(InvalidManifest, match="expected every label once, found 'a' twice"):
        adapter.task(labels=Labels(["a", "a", "b", "c", "d"]))
    with pytest.raises(InvalidManifest, match="manifest field 'task'"):
        adapter.task(task="no name")
    names = tmp_path / "names.txt"
    names.write_text("a, or b\n\nc\n", encoding="utf-8")
    assert given_labels(str(names)).names == ["a, or b", "c"]
    assert given_labels("a, b,c").names == ["a", "b", "c"]
    many = [f"label {index}" for index in range(1000)]
    assert given_labels(",".join(many)).names == many
    names.write_bytes(b"\xff\xfe")
    with pytest.raises(ExchangeError, match=f"labels: expected text in UTF-8, .* in {names}"):
        given_labels(str(names))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (None, "labels: expected names with commas between .* found neither"),
        ({}, "found neither"),
        ({"id2label": ["a"]}, "found neither"),
        ({"id2label": {"x": "a"}}, "found neither"),
        ({"id2label": {"1": "a", "2": "b"}}, r"id2label: expected the numbers from 0 to 1, .*1, 2"),
        ({"id2label": {"0": 1}}, "id2label: expected names, found 1"),
    ],
)
def test_labels_beside_an_adapter(config: Any, words: str, tmp_path: Path) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ExchangeError, match=words):
        labels_beside(tmp_path)


def test_labels_beside_an_adapter_say_whether_there_may_be_several(tmp_path: Path) -> None:
    config = {"id2label": {"1": "b", "0": "a"}, "problem_type": "multi_label_classification"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert labels_beside(tmp_path) == Labels(["a", "b"], several=True)


def test_the_manifest_says_where_it_came_from(adapter: Trained) -> None:
    adapter.change(base_model_name_or_path="someone/vit", lora_alpha=6)
    manifest = adapter.task().manifest
    assert (manifest.method, manifest.head, manifest.activation) == ("lora", "linear", "softmax")
    assert manifest.data == f"PEFT adapter {adapter.folder.name} of someone/vit"
    assert manifest.metrics == {}
    assert manifest.fingerprint == adapter.net.fingerprint
    told = {"r": 4, "lora_alpha": 6.0, "target_modules": "qkv", "bias": "none"}
    assert told.items() <= manifest.recipe.items()


def test_single_layers_share_a_rank_where_they_share_a_factor() -> None:
    a, other = torch.randn(2, 4), torch.randn(3, 4)
    members = [
        (slice(0, 4), a, torch.ones(4, 2)),
        (slice(4, 8), other, torch.full((4, 3), 2.0)),
        (slice(8, 12), a, torch.full((4, 2), 3.0)),
    ]
    whole, b = joined(members, 12)
    assert torch.equal(whole, torch.cat((a, other)))
    for rows, factor, own in members:
        torch.testing.assert_close((b @ whole)[rows], own @ factor)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match=r"adapter_config.json: expected one in .*none"):
        read_adapter(tmp_path / "none")
