"""The server and its client, on `backbone` and `prompts_store`.

In the order of a request: `workers` (processes), `http` (routes; `http.server` leans on uvicorn),
`predictor` (the seam to the batch), `residency` (a task's life from store to device), `engine`
(queue, batches, forward). `telemetry` counts, `client` calls a server. Beside them `settings`,
`errors`, `components` (one of each, wired), `server` (runs them), `command` and `banner`.
"""
