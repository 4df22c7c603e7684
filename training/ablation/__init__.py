"""Prompt variants of the paper's ablations, and `facet ablate`, which compares them.

* `studies`: which trainings a study has; `run` is one command from study to report, `cells` one
  training.
* `variant`: the switches of a variant; `method` is the trainable module made of them, and owns its
  parameters.
* `locations`, `prompts`, `depth`, `pooling`, `initial`, `tokens`: the parts of that module.
* `report`, `figure`: table and figure of the finished cells; they hold no state.

The finished cells are in the folder of the report (`training.results.Results`). No variant is
served.
"""
