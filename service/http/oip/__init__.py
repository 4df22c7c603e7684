"""The Open Inference Protocol over REST, below `/v2`.

`routes` has the calls, and `bodies` reads and writes what an inference call sends. What the calls
take and answer is described in `schemas` and `answers`.
"""
