"""Storage: create-only objects by path, in a folder, a bucket or memory.

* `objects`: what the store asks of any storage, and opening one by its location.
* `folder`: a local folder; it syncs what it writes and follows no links.
* `reserve`: space in a folder that is kept for what frees space.
* `bucket`: everything else, through obstore.
* `tree`: what a server keeps in the store beside the tasks.
* `foreign`: entries that are no part of the store.
"""
