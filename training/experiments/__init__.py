"""Searched trainings, on which `facet compare` and `facet ablate` stand.

* `entry`: what is searched once, on the validation part, and then trained with every seed.
* `grids`: the rules of a fair search.
* `schedule`: the order of the trainings, the queue and what is running.
* `workers`: the processes that train; each owns its loaded backbones and data sets. `cells` is one
  training and its measures, `memory` its peak memory.
* `outcomes`: what is recorded of trials, choices and final trainings; `hyperparameters` compares
  such records.
* `protocol`: what the trainings of a file have in common; a command with another one is refused.
* `runs`: one run of what is missing.

The finished trainings are in a file beside the report (`training.results.Results`), so a command
that was stopped continues there.
"""
