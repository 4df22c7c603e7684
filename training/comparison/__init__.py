"""Comparison of methods on tasks over seeds: `facet compare`.

* `plan`: which trainings there are; it holds no state.
* `run`: one command from plan to report; `cells` is one training and its measures, `memory` its
  peak memory.
* `schedule`: the order of the trainings, the queue and what is running.
* `workers`: the processes that train; each owns its loaded backbones and data sets.
* `records`: the numbers that are handed to the report.
* `reporting`: the report made of them.

The finished trainings are in the folder of the report (`training.results.Results`), so a command
that was stopped continues there.
"""
