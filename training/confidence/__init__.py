"""How far a task's answers can be believed, learned on images that it was not trained on.

* `calibration`: the calibration error of probabilities.
* `temperature`: the number that logits are divided by, so that probabilities are believable.
"""
