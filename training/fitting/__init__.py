"""Fitting: the loop that minimises a method's loss, and its state.

`loop` runs the steps; `state` owns what decides how a fitting continues (method, optimizer,
generators, finished epochs), `state_file` saves and loads it; `run_folder` owns the files of one
run; `validation` measures an epoch; `logs` and `progress` report.
"""
