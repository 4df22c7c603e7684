"""Output: what is written of a trained method.

`writing` makes the manifest and chooses the storage dtype; `checkpoints` owns the file of methods
that cannot be served; `samples` saves a few held-out images.
"""
