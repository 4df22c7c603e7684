"""Comparison of methods on tasks over seeds: `facet compare`.

* `plan`: which trainings there are; it holds no state. `grids.toml` has the repository's grids.
* `run`: one command from plan to report; the trainings are those of `training.experiments`.
* `protocol`: the facts of its protocol.
* `records`: the numbers that are handed to the report.
* `reporting`: the report made of them.

The finished trainings are in the folder of the report (`training.results.Results`), so a command
that was stopped continues there.
"""
