"""Servers under test and what they serve.

* `materials`: a folder with weights, tasks and images.
* `processes`: owns a server's process and all its descendants, from start to end.
* `serving`: Facet's own server, its targets and the summary of a load.
* `engine`: the engine alone, in this process.
"""
