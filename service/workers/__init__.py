"""HTTP in processes of its own, for an engine that one process cannot feed.

    HTTP worker    speaks HTTP, reads bodies and decodes images; there are as many as configured
    engine         everything else, in one process
    supervisor     binds the sockets, starts both kinds and replaces an HTTP worker that dies

A predict call reaches the engine's process as a message on a Unix socket: the HTTP worker sends it
through `predictor.remote`, and the engine's `predictor.socket_server` admits and answers it. All
other calls are passed on unchanged by `proxy`.

`supervisor` owns the processes and the listening sockets, `processes` is what runs in each, and
`app` is the application of an HTTP worker.
"""
