"""How far a task's answers can be believed, learned on images that it was not trained on.

* `calibration`: the calibration error of probabilities.
* `temperature`: the number that logits are divided by, so that probabilities are believable.
* `class_thresholds`: probabilities from which on labels are given, where an image may have several.
* `distance`: how far images are from the classes.
* `fitting`: what of it all a task file states, and how well it does.
"""
