"""What a person looks at: the console's page, and the calls that it needs beside those of others.

* `explain`: where a task looks in an image; `samples`: the images that its file carries; `events`:
  the last changes of all tasks. `schemas` has the documents.
* `console` serves the page. Its files are in `service/console`.
* `caching` says whether a client's copy is still good.
"""
