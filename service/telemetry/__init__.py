"""Metrics of the service.

`metrics` owns all counters of one process, `multiprocess` adds up those of several, and `loop_lag`
measures how late the event loop is.
"""
