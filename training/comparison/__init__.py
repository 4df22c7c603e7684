"""Comparison of methods on tasks over seeds: `facet compare`.

* `plan`: which trainings there are; it holds no state. `grids` has the rules of a fair search, and
  `grids.toml` the grids of the repository.
* `run`: one command from plan to report; `cells` is one training and its measures, `memory` its
  peak memory.
* `protocol`: what a folder's trainings have in common; a command with another protocol is refused.
* `schedule`: the order of the trainings, the queue and what is running.
* `workers`: the processes that train; each owns its loaded backbones and data sets.
* `outcomes`: what is recorded of trials, choices and final trainings; `hyperparameters` compares
  such records.
* `records`: the numbers that are handed to the report.
* `reporting`: the report made of them.

The finished trainings are in the folder of the report (`training.results.Results`), so a command
that was stopped continues there.
"""
