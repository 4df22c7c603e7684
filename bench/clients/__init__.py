"""The same load by several clients of a server: ours, and those of the Open Inference Protocol.

* `measure`: starts the server, and the clients in turns.
* `callers`: how each client asks for one image; `__main__` is a process of one of them.
"""
