"""Instant tasks: heads that are made of examples in one pass, without a gradient.

* `facts`: what the manifest says of the examples, and the limits on them.
* `head`: the head as its file keeps it, the examples; what computes is made of it on placement.
* `linear`: nearest class mean and linear discriminant analysis; both become linear heads.
* `neighbours`: nearest neighbours, a kind of head of its own.
* `scale`: the scale of the logits, fitted to examples that are left out one by one.
* `distance`: how far an image is from the examples' labels, and how far it may be.
* `borrowed`: the adaptation of a trained task, under which images become examples.
* `collection`: examples by label, to add to and to forget from; `file` makes the task file of them.
"""
