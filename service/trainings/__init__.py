"""Trainings: labelled images that people send, `facet train` at work on them, and what came of it.

* `record`: a training as the sum of its events; `log` keeps them, and the images, in the store.
* `trainings`: everything that can be done with trainings, for the routes of HTTP.
* `runner`: runs those that wait, one at a time; `process` is one `facet train`, below `launcher`,
  which ends it with the server; `workplace` has the files that it reads and writes.
* `channel`: what happens to a training, for those who watch.
* `owner`: which server runs a training.

`facet train` is a program to this room: nothing of `training` is imported.
"""
