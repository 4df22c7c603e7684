"""Methods without a gradient: what they make of the training images, and what they refuse."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from facet_vision import backbone
from facet_vision.backbone import Backbone
from facet_vision.prompts_store import InstantHead, TaskFile
from facet_vision.prompts_store.instant.file import example_id
from facet_vision.prompts_store.instant.linear import ledoit_wolf
from facet_vision.training.comparison.plan import Plan
from facet_vision.training.data.datasets import Examples, TaskData
from facet_vision.training.data.images import prepare
from facet_vision.training.errors import TrainingError
from facet_vision.training.fitting.run_folder import RunFolder
from facet_vision.training.methods import instant
from facet_vision.training.new_recipe import new_recipe
from facet_vision.training.output.trained_file import read
from facet_vision.training.overrides import RecipeOverrides
from facet_vision.training.recipe import FITTING_FIELDS, Recipe
from facet_vision.training.train import fitted, train_task
from tests.training.support.methods import INSTANT
from tests.training.support.small import several_labels

every_method = pytest.mark.parametrize("name", INSTANT)


def recipe(name: str, **given: object) -> Recipe:
    return new_recipe(data="x", task="x", method=name, **given)


def train(name: str, net: Backbone, data: TaskData, **given: object) -> TaskFile:
    made = train_task(net, data, recipe(name, **given))
    assert isinstance(made, TaskFile)
    return made


@every_method
def test_a_task_file_of_one_pass(
    name: str, tiny: Backbone, shades: TaskData, tmp_path: Path
) -> None:
    made = train(name, tiny, shades)
    manifest = made.manifest
    assert manifest.metrics["accuracy"] == 1.0
    assert manifest.metrics["held_out_images"] == 15
    assert (manifest.method, manifest.head, manifest.labels) == (name, name, shades.labels)
    assert manifest.examples is not None
    assert manifest.examples.counts == (10, 10, 10)
    assert not FITTING_FIELDS & manifest.recipe.keys()
    assert ("neighbours" in manifest.recipe) == (name == "knn")
    assert isinstance(made.head, InstantHead)
    assert made.head.features.dtype == torch.float16
    made.save(tmp_path / "task")
    images = prepare(shades.test, tiny.preprocess)
    logits = read(tmp_path / "task").answers(tiny, images).logits
    assert torch.equal(logits.argmax(1), torch.tensor(shades.test.targets))


@every_method
def test_the_written_head_answers_as_the_method(
    name: str, tiny: Backbone, shades: TaskData
) -> None:
    method = fitted(tiny, shades, recipe(name))
    (images,) = prepare(shades.test, tiny.preprocess).batches([torch.arange(15)])
    features = tiny.features(images)
    with torch.no_grad():
        found = method(method.frozen_part(images))
        head = method.written_head().to(dtype=torch.float32)
        torch.testing.assert_close(found, head(features))
    assert not method.trained()


def test_neighbours_are_those_of_the_recipe(tiny: Backbone, shades: TaskData) -> None:
    examples = train("knn", tiny, shades, neighbours=3).manifest.examples
    assert examples is not None
    assert examples.neighbours == 3
    with pytest.raises(TrainingError, match="neighbours: expected no value, which lda does not"):
        recipe("lda", neighbours=3)


def test_discriminant_analysis_is_that_of_scikit_learn(tiny: Backbone, shades: TaskData) -> None:
    method = fitted(tiny, shades, recipe("lda"))
    head = method.written_head()
    assert isinstance(head, InstantHead)
    rows = torch.arange(len(shades.train)).reshape(-1, 3).T.flatten()  # label by label
    (images,) = prepare(shades.train, tiny.preprocess).batches([rows])
    features = tiny.features(images).detach()
    torch.testing.assert_close(head.features, features)
    residuals = features.double() - features.double().reshape(3, 10, -1).mean(1).repeat_interleave(
        10, dim=0
    )
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=ledoit_wolf(residuals))
    theirs.fit(features.double().numpy(), torch.arange(3).repeat_interleave(10).numpy())
    unscaled = replace(head, facts=head.facts.model_copy(update={"scale": 1.0}))
    found = unscaled.to(dtype=torch.float64)(features.double()).softmax(1)
    expected = theirs.predict_proba(features.double().numpy())
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


@every_method
def test_ids_are_of_the_images_as_a_server_gets_them(
    name: str, tiny: Backbone, shades: TaskData, tmp_path: Path
) -> None:
    files = []
    for index in range(6):
        shades.train.image(index).save(tmp_path / f"{index}.png")
        files.append(tmp_path / f"{index}.png")
    data = replace(shades, train=Examples(files, shades.train.targets[:6]))
    head = train(name, tiny, data).head
    assert isinstance(head, InstantHead)
    assert head.names == [example_id(files[row].read_bytes()) for row in (0, 3, 1, 4, 2, 5)]


def test_an_image_that_is_there_twice_counts_once(tiny: Backbone, shades: TaskData) -> None:
    train_part = shades.train.joined(shades.train.take([0, 3, 1]))
    examples = train("ncm", tiny, replace(shades, train=train_part)).manifest.examples
    assert examples is not None
    assert examples.counts == (10, 10, 10)
    only = Examples([shades.train.images[0]] * 3, [0, 1, 2])
    with pytest.raises(TrainingError, match="found none for 'dark'"):
        train("ncm", tiny, replace(shades, train=only))


@every_method
def test_several_labels_on_an_image_are_refused(
    name: str, tiny: Backbone, shades: TaskData
) -> None:
    with pytest.raises(TrainingError, match=f"method {name}: expected one label on each image"):
        train(name, tiny, several_labels(shades))


def test_too_many_images_are_refused(
    tiny: Backbone, shades: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instant, "MAX_EXAMPLES", 29)
    with pytest.raises(TrainingError, match="at most 29 training images, found 30; --shots"):
        train("ncm", tiny, shades)


def test_a_run_folder_is_refused(tiny: Backbone, shades: TaskData, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="run: expected none, since method lda is done in one"):
        train_task(tiny, shades, recipe("lda"), run=RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("field", "value"), [("epochs", 3), ("lr", 0.1), ("search", "paper"), ("patience", 2)]
)
def test_what_belongs_to_a_gradient_is_refused(field: str, value: object) -> None:
    with pytest.raises(TrainingError, match=f"{field}: expected no value, which ncm does not use"):
        recipe("ncm", **{field: value})


def test_a_recipe_file_and_a_comparison_may_serve_other_methods_too(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('search = "paper"\npatience = 3\nepochs = 7\n')
    made = new_recipe(file, data="x", task="x", method="lda")
    assert (made.search, made.patience) == (None, None)
    overrides = RecipeOverrides(file, {"search": "paper"})
    plan = Plan({"tasks": ("digits",)}, ("linear", "lda"), (0,), overrides)
    plan.check()
    linear, lda = plan.entries()
    assert linear.trials()
    assert lda.trials() == []


@every_method
def test_ten_classes_of_25_images_take_less_than_two_seconds(name: str) -> None:
    """Of the processor, on the embedded backbone; training and measuring together."""
    net = backbone.load("facet-tiny", device="cpu")
    rng = np.random.default_rng(0)
    targets = [index % 10 for index in range(250)]
    pixels = [rng.integers(0, 30, (48, 48, 3)) + 22 * target for target in targets]
    images = Examples([Image.fromarray(each.astype(np.uint8)) for each in pixels], targets)
    labels = tuple(map(str, range(10)))
    data = TaskData(images.take(range(200)), images.take(range(200, 250)), labels, "shades")
    train(name, net, data)  # what is loaded at the first use is loaded
    begun = time.process_time()
    made = train(name, net, data)
    assert time.process_time() - begun < 2
    assert made.manifest.metrics["accuracy"] > 0.3
