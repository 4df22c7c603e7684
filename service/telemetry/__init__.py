"""What the service tells of itself: metrics and the log.

`metrics` owns all counters of one process, `multiprocess` adds up those of several, `loop_lag`
measures how late the event loop is, and `request_log` names the request in each line of the log.
`exposition` and `gateway` write what scrapers read; `traces` are recorded by `otel` where wanted.
"""
