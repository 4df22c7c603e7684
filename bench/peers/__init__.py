"""Alternatives to Facet for serving many vision tasks, set up as their own manuals say.

Each is a small server that answers the same request (a JPEG as body) with the same ranked labels as
JSON. Their dependencies are the extra `peers`; one that is not installed is left out of the
comparison with a sentence.

* `registry`: names, packages and requests of the peers; `work`: a server's command line.
* `fastapi_timm`, `litserve_timm`, `peft_lora`, `ray_multiplex`, `onnx_sessions` with `onnx_export`:
  the servers; each runs as a process of its own and owns its models. `models` is what they share.
* `compare`: runs all of them in turns; `tables`: the results.
"""
