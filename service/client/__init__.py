"""The Python client of the v1 API (`client`) and the commands that use it (`command`, `versions`).

`show` reads a task file's header, and needs no server.

A `Client` owns one pool of connections; nothing else here keeps state.
"""
