"""When a task does not answer: how far an image is from its classes, and how far it may be.

* `threshold`: what the manifest states, and `keeping`: how it is chosen; they need no torch.
* `distance`: what the file's tensors compute.
"""
