"""Open Inference Protocol, version 2, without a transport: what REST and gRPC have in common.

A task is a model of this protocol, and a task's version a model's version; the live one is ready.
`tensors` reads and writes tensors, `inference` makes a predict request of an inference request and
an inference response of the predictions, and `models` describes tasks as models.
"""
