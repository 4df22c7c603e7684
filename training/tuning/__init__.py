"""Tuning: hyperparameters chosen on the validation part.

`search` knows grids and how to choose; `trials` runs the trainings of a search.
"""
