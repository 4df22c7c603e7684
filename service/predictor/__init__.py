"""The seam between HTTP and the batch: from images to predictions.

Each module owns one kind of state:

    protocol       the contract of both sides: requests, predictions, admissions; no state
    local          the predictor beside the engine, in one process; no state of its own
    remote         the predictor of an HTTP worker: its connection and the replies it waits for
    socket_server  the engine's end: the connections, the requests and the counts of each
    wire           frames and messages between the two; only the bytes of an incomplete frame
    decoder        the decoding threads
    context        the parts that a process needs to answer predict calls
    explainer      a thread of its own beside the batches, and how many images wait for it
"""
