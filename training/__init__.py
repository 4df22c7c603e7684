"""Training: from labelled images to a task file or a checkpoint.

`data` makes labelled images of every source, `methods` adapt a frozen backbone, `fitting` owns
the loop and its state, `output` writes what was learned, `tuning` chooses
hyperparameters. `recipe` holds every choice that decides a result, `train` runs it from data to
output. The reports (`comparison`, `ablation`, `embedding`, `attention`, `evaluation`) and
`pretrain` stand on these.

Imports run downwards only: errors, recipe, seeding, precision, objectives < data < methods
< metrics < fitting < output < train < tuning < reports.
"""
