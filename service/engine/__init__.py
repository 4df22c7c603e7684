"""The engine room: admission, fair queueing, batching and the mixed forward.

Each module owns one kind of state:

    rows         a request between admission and answer: its ticket, rows and answers
    admission    the quota: how many rows each task has admitted and not yet answered
    fair_queue   the rows that wait, and how much of the engine each task has used
    batch_size   the measured cost of forwards, and the batch size that follows from it
    batcher      the engine's threads; quota, queue and sizer belong to it
    resident     what answers: a version of a task on the device, or its pooled feature; immutable
    engine       the backbone; no state between calls
    heads        the scores of a batch; no state
    threads      how many threads a forward uses; no state
"""
