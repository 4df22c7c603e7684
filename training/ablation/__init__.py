"""The paper's ablations: `facet ablate`.

* `studies`: which points a study has; `plan` makes searched trainings of them on every task.
* `run`: one command from study to report; the trainings are those of `training.experiments`, of
  methods and of `training.variants`.
* `report`, `figure`: table and figure of the finished trainings; they hold no state.
* `recipe`: the study of the steps of a recipe, which has stages.
"""
