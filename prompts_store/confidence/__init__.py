"""When a task does not answer: how far an image is from its classes, and how far it may be.

* `threshold`: what the manifest states; it needs no torch.
* `distance`: what the file's tensors compute.
"""
