"""Measurements: of time in rounds, memory and loop lag, and the machine that they belong to.

* `timing`: contenders in turns; `spread`: one value per round, with median and quartiles.
* `peak`: the highest memory of a call; `lag`: a server's event loop, by its metrics.
* `roofline`: the fastest matrix product of the machine; `environment`: hardware and versions.

No module holds state.
"""
