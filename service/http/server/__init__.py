"""What leans on uvicorn and on sockets.

`sockets` takes the port; `uvicorn_server` runs one server from start to exit; `connection` owns the
state of one client connection; `shedding` refuses calls before the application sees them.
`uvicorn_internals` lists what is used of uvicorn beyond its public interface.
"""
