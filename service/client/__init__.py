"""The Python clients of the v1 API and the commands that use one.

* `client` and `async_client`: the public calls, which do what `calls` yields. `exchange` says when
  a request is sent again, `parts` how many images go in one; `answers` and `errors` are what
  comes of it.
* `command`, `versions` and `examples`: the commands, with `images`, `scores`, `options` and
  `words`. `show` reads a task file's header, and needs no server.

A client owns one pool of connections; nothing else here keeps state.
"""
