"""Sample images in a task file, for people who want to see what the task is about.

* `facts`: what the manifest says of them, and their limits.
"""
