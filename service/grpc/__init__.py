"""The Open Inference Protocol over gRPC: another way into the same predictor.

`messages` makes the messages of inference.proto, `convert` reads and writes them, and `server`
answers the calls.
"""
