"""The Open Inference Protocol over REST, below `/v2`.

`routes` has the calls, `bodies` reads and writes what an inference call sends, and `errors` gives
refusals the protocol's own form.
"""
