"""`facet train` as a user types it, on the embedded architecture with random weights."""

import json
from pathlib import Path

import pytest
import timm
from safetensors.torch import save_file

from facet_vision.common.loading import backbone_of
from facet_vision.prompts_store import TaskFile
from facet_vision.training.output.checkpoints import Checkpoint
from tests.training.support.command import run_train


def test_trains_on_a_folder(colours: Path, checkpoint: Path, tmp_path: Path) -> None:
    (colours / "red" / "torn.png").write_bytes(b"no image")
    out, samples = tmp_path / "colours.safetensors", tmp_path / "samples"
    code, stdout, stderr = run_train(
        *(
            colours,
            "--task",
            "colours",
            "--out",
            out,
            "--checkpoint",
            checkpoint,
            "--samples",
            samples,
            "--embed-samples",
            1,
        ),
        *(
            "--epochs",
            2,
            "--tokens",
            3,
            "--seed",
            7,
            "--description",
            "red or blue",
            "--device",
            "cpu",
        ),
    )
    assert code == 0, stderr
    assert f"wrote {out}" in stdout
    assert "skipped" in stderr
    assert "torn.png" in stderr
    manifest = TaskFile.load(out).manifest
    assert (manifest.task, manifest.labels, manifest.tokens) == ("colours", ("blue", "red"), 3)
    assert [each.label for each in manifest.samples or ()] == ["blue"]
    assert (manifest.recipe["seed"], manifest.description) == (7, "red or blue")
    assert manifest.metrics["held_out_images"] == 2
    assert f"accuracy {manifest.metrics['accuracy']:.3f}" in stdout
    assert sorted(path.name for path in samples.iterdir()) == ["blue-0.png", "red-1.png"]


def test_json_is_all_that_is_printed(colours: Path, checkpoint: Path, tmp_path: Path) -> None:
    for colour in ("red", "blue"):
        (colours / colour / "0.png").write_bytes((colours / "red" / "1.png").read_bytes())
    out = tmp_path / "colours.safetensors"
    common = ("--out", out, "--checkpoint", checkpoint, "--device", "cpu", "--epochs", 2, "--json")
    code, stdout, stderr = run_train(colours, "--task", "colours", *common)
    assert code == 0, stderr
    assert "warning: 1 image under different labels: " in stderr
    assert "colours: epoch 2/2, loss " in stderr
    result = json.loads(stdout)
    manifest = TaskFile.load(out).manifest
    assert result["metrics"] == manifest.metrics
    assert next(iter(result["metrics"])) == "accuracy"
    assert (result["file"], result["size"]) == (str(out), out.stat().st_size)
    assert (result["task"], result["labels"]) == ("colours", ["blue", "red"])
    assert (result["served"], result["fingerprint"]) == (True, manifest.fingerprint)
    code, stdout, _ = run_train(colours, "--task", "colours", "--method", "bias-all", *common)
    assert (code, json.loads(stdout)["served"]) == (0, False)


def test_what_was_resampled_is_said(colours: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "net", tmp_path / "colours.safetensors"
    model = timm.create_model("test_vit", num_classes=0, img_size=32)
    folder.mkdir()
    config = {
        "architecture": "test_vit",
        "num_classes": 0,
        "model_args": {"img_size": 64},
        "pretrained_cfg": {"input_size": [3, 64, 64], "fixed_input_size": True},
    }
    (folder / "config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "model.safetensors")
    name = f"local-dir:{folder}"
    options = ("--method", "linear", "--epochs", 1, "--device", "cpu")
    code, _, stderr = run_train(colours, "--task", "t", "--out", out, "--backbone", name, *options)
    assert code == 0, stderr
    assert f"{name}: positions 2x2 -> 4x4 resampled" in stderr.splitlines()
    assert TaskFile.load(out).manifest.backbone == name


def test_recipe_file_names_data_and_method(colours: Path, checkpoint: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "colours.toml"
    recipe.write_text(f'data = "{colours}"\ntask = "colours"\nmethod = "linear"\nepochs = 2\n')
    out = tmp_path / "colours.safetensors"
    code, _, stderr = run_train(
        "--recipe", recipe, "--out", out, "--checkpoint", checkpoint, "--device", "cpu"
    )
    assert code == 0, stderr
    assert TaskFile.load(out).manifest.method == "linear"


@pytest.mark.parametrize(
    ("flags", "tensor"),
    [
        ({"method": "mlp-2", "dropout": 0.3}, ""),
        ({"method": "full", "dropout": 0.3}, "model.pos_embed"),
        ({"method": "partial-1"}, "model.norm.weight"),
        ({"method": "adapter", "reduction": 32}, "adapter.0.block.down"),
        ({"method": "adaptformer", "adapter_init": "zero"}, "parallel.0.block.down"),
        ({"method": "lora", "rank": 3, "alpha": 5.0}, "lora.0.qkv.a"),
        ({"method": "lora", "lora_targets": "proj"}, "lora.0.proj.b"),
    ],
)
def test_methods_with_their_options(
    flags: dict, tensor: str, colours: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "colours.safetensors"
    options = [
        part for name, value in flags.items() for part in (f"--{name.replace('_', '-')}", value)
    ]
    common = (
        "--task",
        "colours",
        "--out",
        out,
        "--checkpoint",
        checkpoint,
        "--epochs",
        1,
        "--device",
        "cpu",
    )
    code, stdout, stderr = run_train(colours, *common, *options)
    assert code == 0, stderr
    served = not tensor.startswith("model.")
    assert ("a checkpoint that cannot be served" in stdout) != served
    written = TaskFile.load(out) if served else Checkpoint.load(out)
    assert {"method": written.manifest.method, **written.manifest.recipe}.items() >= flags.items()
    assert written.manifest.metrics["held_out_images"] == 2
    tensors = written.tensors() if isinstance(written, TaskFile) else written.tensors
    assert not tensor or tensor in tensors


def test_side_weights_are_read(colours: Path, checkpoint: Path, tmp_path: Path) -> None:
    arguments = (colours, "--task", "colours", "--out", tmp_path / "t", "--checkpoint", checkpoint)
    code, _, stderr = run_train(
        *arguments, "--method", "sidetune", "--side-weights", tmp_path / "none.pth"
    )
    assert code == 1
    assert "side_weights: expected a file, found none at" in stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("digits", "task: expected a value, found none"),
        ("digits --task ../t", "task name: expected"),
        ("digits --task t --method magic", "method: expected one of linear"),
        ("digits --task t --method full --tokens 3", "tokens: expected no value, which full does"),
        ("digits --task t --tokens 0", "tokens: expected at least 1 for vpt-deep, found 0"),
        ("digits --task t --crop-scale 0.5", "crop_scale: expected no value, which augment none"),
        ("digits --task t --validation 9", "validation: expected no value, which measure_on test"),
        ("digits --task t --patience 0", "patience: input should be greater than or equal to 1"),
        ("digits --task t --precision float16", "precision: input should be 'float32', 'bfloat16'"),
        (
            "digits --task t --method linear --augment timm",
            "augment: expected none or vtab, since linear extracts features once, found 'timm'",
        ),
        (
            "digits --task t --shots 3 --fraction 0.5",
            "shots and fraction: expected one of them, found 3 and 0.5",
        ),
        (
            "digits --task t --search lr",
            "search: expected numbers with commas between",
        ),
        ("digits --task t --tensorboard", "tensorboard: expected --run FOLDER to write"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_loaded(
    arguments: str, sentence: str, tmp_path: Path
) -> None:
    """There are neither such data nor such a backbone, and yet the option is what is wrong."""
    words = arguments.replace("digits", str(tmp_path / "nowhere")).split()
    out = tmp_path / "t.safetensors"
    code, stdout, stderr = run_train(*words, "--out", out, "--checkpoint", tmp_path / "none")
    assert (code, stdout) == (2, "")
    assert sentence in stderr
    assert stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("nowhere --task t", "torchvision:NAME:FOLDER, hf:NAME or one of digits, "),
        ("digits --task t --method partial-99", "method: expected partial-1 to partial-"),
        (
            "digits --task t --label-column x",
            "label_column: expected no value, which digits does not use",
        ),
        (
            "digits --task t --shots 500",
            "shots: expected at most 100, the training images of class '0', found 500",
        ),
        (
            "torchvision:CIFAR10:none --task t",
            "expected the files of torchvision's CIFAR10 in none",
        ),
        ("none.csv --task t", "data: expected a table, found no file at none.csv"),
        ("digits --task t --backbone shvit_s1", "backbone: expected one of the names"),
        ("digits --task t --device abacus", "device: expected"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(
    arguments: str, sentence: str, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "t.safetensors"
    code, stdout, stderr = run_train(*arguments.split(), "--out", out, "--checkpoint", checkpoint)
    assert (code, stdout) == (1, "")
    assert sentence in stderr
    assert "Traceback" not in stderr
    assert not list(tmp_path.iterdir())


def test_a_pooling_and_a_size_are_those_of_the_task(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.safetensors"
    options = ("--method", "lda", "--pool", "avg", "--image-size", "32")
    code, _, stderr = run_train(
        "digits", "--task", "t", *options, "--out", out, "--checkpoint", checkpoint
    )
    assert (code, stderr.splitlines()[-1]) == (0, "facet-tiny: positions 6x6 -> 4x4 resampled")
    manifest = TaskFile.load(out).manifest
    assert (manifest.pooling, manifest.input_size) == ("avg", (3, 32, 32))
    assert not {"pool", "image_size"} & manifest.recipe.keys()
    network = backbone_of(manifest, None, checkpoint=checkpoint, device="cpu")
    assert network.fingerprint == manifest.fingerprint


def test_place_to_write_is_checked_before_the_training(tmp_path: Path) -> None:
    code, _, stderr = run_train(
        "digits", "--task", "t", "--out", tmp_path / "none" / "t.safetensors"
    )
    assert code == 2
    assert stderr.startswith(
        "facet train: out: expected a file name in a folder that exists, found "
    )


def test_table_of_several_labels_with_columns_of_its_own(
    colours: Path, checkpoint: Path, tmp_path: Path
) -> None:
    assert colours.parent == tmp_path
    table = tmp_path / "t.csv"
    rows = [
        f"colours/{c}/{n}.png|{c} any|{'train' if n < 4 else 'test'}"
        for c in ("red", "blue")
        for n in range(5)
    ]
    table.write_text("\n".join(["file,kinds,part", *rows]).replace("|", ","))
    out = tmp_path / "t.safetensors"
    code, stdout, stderr = run_train(
        *(
            table,
            "--task",
            "t",
            "--out",
            out,
            "--checkpoint",
            checkpoint,
            "--method",
            "linear",
            "--epochs",
            2,
        ),
        *(
            "--image-column",
            "file",
            "--label-column",
            "kinds",
            "--split-column",
            "part",
            "--label-separator",
            " ",
        ),
        *("--device", "cpu"),
    )
    assert code == 0, stderr
    manifest = TaskFile.load(out).manifest
    assert (manifest.labels, manifest.activation) == (("any", "blue", "red"), "sigmoid")
    assert manifest.data == "table t.csv, 8 training and 2 held-out images"
    assert {"mean_average_precision", "micro_f1", "macro_f1", "held_out_images"} == set(
        manifest.metrics
    )
    assert (
        f"mean average precision {manifest.metrics['mean_average_precision']:.3f}, macro F1 "
        in stdout
    )
    assert "3 labels with 4 to 8 training images each" in stderr


def test_parts_and_augmentation_by_options(colours: Path, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.safetensors"
    code, _, stderr = run_train(
        *(
            colours,
            "--task",
            "t",
            "--out",
            out,
            "--checkpoint",
            checkpoint,
            "--epochs",
            1,
            "--device",
            "cpu",
        ),
        *(
            "--shots",
            3,
            "--measure-on",
            "validation",
            "--validation",
            2,
            "--augment",
            "timm",
            "--crop-scale",
            0.5,
        ),
        *("--color-jitter", 0.1, "--auto-augment", "rand-m3", "--random-erase", 0.25),
    )
    assert code == 0, stderr
    manifest = TaskFile.load(out).manifest
    assert manifest.data == "folder colours, 4 training and 2 validation images"
    given = {
        "shots": 3,
        "measure_on": "validation",
        "validation": 2,
        "augment": "timm",
        "crop_scale": 0.5,
    }
    given |= {"color_jitter": 0.1, "auto_augment": "rand-m3", "random_erase": 0.25}
    assert given.items() <= manifest.recipe.items()


def test_samples_in_the_file_of_a_checkpoint_are_refused_at_once(tmp_path: Path) -> None:
    out = tmp_path / "x.safetensors"
    given = ("--task", "x", "--out", out, "--method", "full", "--embed-samples", 2)
    code, _, stderr = run_train(tmp_path / "nothing", *given)
    assert code == 2
    assert "embed_samples: expected none of a method that writes a checkpoint" in stderr
