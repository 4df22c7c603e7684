"""Which steps of a recipe help: paired trainings on validation parts, one stage after the other.

* `stages`: what is compared, fixed before the first training.
* `run`: the trainings that are missing, several side by side; what wins a stage is kept.
* `report`: the tables.
"""
