"""Prompt variants of the paper's ablations, trained and measured but never served.

* `variant`: the switches of a variant; `method` is the trainable module made of them, and owns its
  parameters; `fitting` trains one.
* `locations`, `prompts`, `depth`, `pooling`, `initial`, `tokens`: the parts of that module.
"""
