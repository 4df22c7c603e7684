"""Exchange with other tools: their adapters as task files, and task files as networks for them.

* `peft`: LoRA adapters of PEFT.
* `labels`: the names of an imported head's outputs.
* `onnx_export`: a task with its backbone as one ONNX model.
* `import_command`, `export_command`: `facet import` and `facet export`.
"""
