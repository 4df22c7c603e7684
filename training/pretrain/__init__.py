"""Pre-training of the embedded backbone on generated images: `facet pretrain`.

* `config`: the settings of a run.
* `images`: generated scenes; `pool` holds them on disk, `augment` changes them at every step.
* `model`: network, heads and losses; `optimizers` the update rules and the averaged weights.
* `loop`: the workers; each owns a copy of the model and of the optimizers' state, and the first one
  writes log, state and exported weights.
* `checkpoint`, `probe`, `progress`: export, evaluation and progress bar.
"""
