"""Projections of features to a plane."""

from __future__ import annotations

import numpy as np

from facet_vision.training.errors import TrainingError

PROJECTIONS = {"tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}
"""Values of the option, and the names in figures."""

PERPLEXITY = 30
"""scikit-learn's default; lowered for few images, because it must be below their number."""

NEIGHBOURS = 15
"""umap-learn's default, lowered likewise."""


def project(features: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """Return positions in the plane, (images, 2).

    Args:
        features: (images, feature_dim), at least 3 images.
        kind: "tsne", "pca" or "umap".
        seed: of t-SNE and UMAP.

    Raises:
        TrainingError: the kind is unknown, or umap-learn is not installed.
    """
    if kind not in PROJECTIONS:
        raise TrainingError(f"projection: expected one of {', '.join(PROJECTIONS)}, found {kind!r}")
    found: np.ndarray = {"tsne": _tsne, "pca": _pca, "umap": _umap}[kind](features, seed)
    return found


def check_projection(kind: str) -> None:
    """Check that features can be projected, before they are computed.

    Raises:
        TrainingError: as `project`.
    """
    # t-SNE needs what PCA needs, and takes longer.
    project(np.eye(4, dtype=np.float32), "pca" if kind == "tsne" else kind, 0)


def _tsne(features: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(features)


def _pca(features: np.ndarray, _seed: int) -> np.ndarray:
    from sklearn.decomposition import PCA

    return PCA(2, svd_solver="full").fit_transform(features)


def _umap(features: np.ndarray, seed: int) -> np.ndarray:
    try:
        from umap import UMAP
    except ImportError as error:
        raise TrainingError(
            "projection: expected tsne or pca, or umap-learn installed, found umap without"
        ) from error
    neighbours = min(NEIGHBOURS, len(features) - 1)
    return UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(features)
