"""Attention of the class token over an image, with and without prompts: `facet attention`.

`maps` computes it, `figure` draws it. Neither holds state.
"""
