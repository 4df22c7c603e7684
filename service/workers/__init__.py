"""HTTP in processes of its own, where one cannot feed the engine.

    HTTP worker      speaks HTTP, reads bodies, decodes images: as many processes as it takes
    engine         everything else, in one process
    supervisor     binds the sockets, starts the two, replaces a HTTP worker that dies

Predict calls reach the engine's process as questions on a Unix socket (`wire`): a HTTP worker asks (`remote`), the
engine's process lets in and answers (`door`). All other calls are passed on as they are (`proxy`).
"""
