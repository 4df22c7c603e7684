"""The v1 HTTP API.

Routers (`predict`, `tasks`, `probes`, and in `protocols` those of other forms) read requests and
write answers. State of one request lives in its `Call`; of all bodies in `BodyBudget`; everything
else belongs to the components and the `RequestContext` that `deps` finds. `problems` maps
exceptions to HTTP. `server` leans on uvicorn.
"""
