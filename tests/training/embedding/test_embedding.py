"""Features under a trained file, their projection and their separation."""

from pathlib import Path

import numpy as np
import pytest
import torch

from facet_vision.backbone import Backbone
from facet_vision.prompts_store import TaskFileError
from facet_vision.training.data.datasets import TaskData
from facet_vision.training.data.images import prepare
from facet_vision.training.embedding.features import check_labels, extract
from facet_vision.training.embedding.figure import Panel, draw
from facet_vision.training.embedding.projection import check_projection, project
from facet_vision.training.embedding.separation import Separation, separation
from facet_vision.training.errors import TrainingError
from facet_vision.training.new_recipe import new_recipe
from facet_vision.training.output.checkpoints import Checkpoint
from facet_vision.training.output.trained_file import read
from facet_vision.training.train import train_task


def _trained(method: str, tiny: Backbone, data: TaskData, path: Path) -> Path:
    given = {"data": "x", "task": "shades", "method": method, "epochs": 1}
    train_task(tiny, data, new_recipe(**given)).save(path)
    return path


@pytest.mark.parametrize("name", ["vpt-deep", "vpt-shallow", "linear", "bias", "partial-1"])
def test_features_are_what_the_head_reads(
    name: str, tiny: Backbone, shades: TaskData, tmp_path: Path
) -> None:
    trained = read(_trained(name, tiny, shades, tmp_path / "file"))
    assert trained.manifest.method == name
    images = prepare(shades.test, tiny.preprocess)
    found = extract(trained.features(tiny), images)
    assert found.shape == (15, 32)
    batch = next(images.batches([torch.arange(15)]))
    with torch.no_grad():
        if isinstance(trained.content, Checkpoint):
            method = trained.content.restore(tiny)
            expected = method.features(method.frozen_part(batch))
            assert not np.allclose(found, tiny.features(batch).numpy(), atol=1e-4)
        else:
            task = trained.content
            expected = tiny.features(batch, task.prompts, task.parts)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_files_are_checked(tiny: Backbone, shades: TaskData, tmp_path: Path) -> None:
    trained = read(_trained("linear", tiny, shades, tmp_path / "file"))
    check_labels(trained, shades)
    other = TaskData(shades.train, shades.test, ("a", "b", "c"), "")
    with pytest.raises(
        TrainingError, match=r"^file: expected a task of the classes a, b, c, found one of dark, "
    ):
        check_labels(trained, other)
    with pytest.raises(
        TrainingError, match=r"^data: expected one label for each image, found a multi-label set$"
    ):
        check_labels(
            trained, TaskData(shades.train, shades.test, shades.labels, "", multi_label=True)
        )
    (tmp_path / "text").write_text("nothing")
    with pytest.raises(TaskFileError):
        read(tmp_path / "text")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none")


@pytest.fixture(scope="module")
def clusters() -> tuple[np.ndarray, np.ndarray]:
    """Three clusters in ten dimensions."""
    rng = np.random.default_rng(0)
    targets = np.arange(60) % 3
    return (rng.normal(size=(60, 10)) + 12 * np.eye(3, 10)[targets]).astype(np.float32), targets


def test_silhouette_and_neighbours_by_hand(clusters: tuple[np.ndarray, np.ndarray]) -> None:
    features, targets = clusters
    features = features + 4 * np.random.default_rng(1).normal(size=(60, 10))
    distances = np.linalg.norm(features[:, None] - features[None], axis=2)
    values, right = [], []
    for row in range(60):
        others = np.arange(60) != row
        means = [distances[row, (targets == label) & others].mean() for label in range(3)]
        a = means[targets[row]]
        b = min(mean for label, mean in enumerate(means) if label != targets[row])
        values.append((b - a) / max(a, b))
        near = [other for other in np.argsort(distances[row]) if other != row][:3]
        right.append(np.bincount(targets[near], minlength=3).argmax() == targets[row])
    found = separation(features, targets, 3)
    assert found.silhouette == pytest.approx(np.mean(values), abs=1e-6)
    assert found.neighbours == pytest.approx(np.mean(right), abs=0.02)  # ties of three votes aside
    assert 0 < found.neighbours < 1
    assert str(Separation(0.5, 0.25, 3)) == "silhouette 0.50, 3-NN accuracy 25.0 %"


@pytest.mark.parametrize("kind", ["tsne", "pca"])
def test_clusters_stay_apart_in_the_plane(
    kind: str, clusters: tuple[np.ndarray, np.ndarray]
) -> None:
    features, targets = clusters
    places = project(features, kind, seed=0)
    assert places.shape == (60, 2)
    assert separation(places, targets, 5).silhouette > 0.5
    assert np.array_equal(places, project(features, kind, seed=0))
    assert len(project(features[:4], kind, seed=0)) == 4


def test_principal_components_are_those_of_largest_variance(
    clusters: tuple[np.ndarray, np.ndarray],
) -> None:
    features = clusters[0]
    places = project(features, "pca", seed=0)
    largest = np.linalg.eigvalsh(np.cov(features.T))[::-1][:2]
    np.testing.assert_allclose(places.var(axis=0, ddof=1), largest, rtol=1e-3)


def test_umap_where_it_is_installed(clusters: tuple[np.ndarray, np.ndarray]) -> None:
    pytest.importorskip("umap")
    assert project(clusters[0], "umap", seed=0).shape == (60, 2)


def test_projections_are_checked_first() -> None:
    check_projection("tsne")
    check_projection("pca")
    with pytest.raises(
        TrainingError, match=r"^projection: expected one of tsne, pca, umap, found 'map'$"
    ):
        check_projection("map")


def test_umap_that_is_not_installed() -> None:
    try:
        import umap  # noqa: F401
    except ImportError:
        with pytest.raises(
            TrainingError, match=r"^projection: expected tsne or pca, or umap-learn installed, "
        ):
            check_projection("umap")


@pytest.mark.parametrize(
    ("targets", "k", "sentence"),
    [
        (
            [0, 0, 0, 0],
            1,
            "images: expected more than one class and several images of one, found 1 classes",
        ),
        (
            [0, 1, 2, 3],
            1,
            "images: expected more than one class and several images of one, found 4 classes",
        ),
        ([0, 0, 1, 1], 4, "neighbours: expected a number from 1 to 3, found 4"),
        ([0, 0, 1, 1], 0, "neighbours: expected a number from 1 to 3, found 0"),
    ],
)
def test_too_little_to_separate(targets: list[int], k: int, sentence: str) -> None:
    with pytest.raises(TrainingError) as raised:
        separation(np.eye(4), np.asarray(targets), k)
    assert str(raised.value) == sentence


def test_figure_has_a_titled_panel_for_each_method(clusters: tuple[np.ndarray, np.ndarray]) -> None:
    features, targets = clusters
    panels = [
        Panel(title, "", features[:, :2], Separation(0.25, 0.5, 5))
        for title in ("no prompts", "vpt-deep (a)")
    ]
    figure = draw(panels, targets, ["x", "y", "z", "absent"], "PCA")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[1] == "vpt-deep (a)\nsilhouette 0.25\n5-NN 50.0 %"
    dots = figure.axes[0].collections
    assert [len(points.get_offsets()) for points in dots] == [20, 20, 20]
    np.testing.assert_allclose(dots[1].get_offsets(), features[targets == 1, :2])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["x", "y", "z"]
    assert figure.get_suptitle() == "PCA of 60 held-out images"


def test_many_classes_have_no_legend() -> None:
    targets = np.arange(60) % 30
    panel = Panel("no prompts", "", np.zeros((60, 2)), Separation(0, 0, 5))
    figure = draw([panel], targets, [str(number) for number in range(30)], "PCA")
    assert not figure.legends
    colours = {tuple(points.get_facecolor()[0]) for points in figure.axes[0].collections}
    assert len(colours) == 30
