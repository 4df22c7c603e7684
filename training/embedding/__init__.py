"""Features of held-out images under several methods, side by side in a plane: `facet tsne`.

* `features`: from a trained file to features.
* `projection`: from features to a plane; `separation` measures them without it.
* `figure`: the panels. No module holds state.
"""
