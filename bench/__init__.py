"""The benchmark suite: every figure of the documentation comes from a command of this room.

One module per question (`forward`, `precision`, `training`, `mix`, `http`, `swap`, `memory`,
`peers`), each with a function that measures and returns a report; `plans` are their options on
the terminal. What they share:

* `measuring`: timing in rounds, spreads, memory, and the machine that a result belongs to.
* `load`: the load generator, in a process of its own.
* `servers`: what is served, and the server processes under test.
* `reporting`: reports, tables and figures.
"""
