"""Many new connections in one round of the event loop.

uvloop accepts one connection of a listener in each of its rounds. While other connections keep it
busy a round takes long: beyond saturation new clients would wait for seconds, however short their
requests are.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

MOST_PER_ROUND = 64
"""Connections that are accepted at once.

Few enough for the reserve of descriptors: the limit on connections sees them a round later.
"""


class Accepting:
    """Accepts what is waiting, beside the event loop's own servers on the same listeners.

    Args:
        listeners: sockets that listen.
        protocol: makes the protocol of a connection.
        tls: for connections, if they are encrypted.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        protocol: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None,
    ) -> None:
        self._listeners = [listener.dup() for listener in listeners]
        self._protocol = protocol
        self._tls = tls
        self._opening: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        for listener in self._listeners:
            listener.setblocking(False)
            self._loop.add_reader(listener, partial(self._accept, listener))

    def stop(self) -> None:
        """Accept no more."""
        while self._listeners:
            listener = self._listeners.pop()
            self._loop.remove_reader(listener)
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(MOST_PER_ROUND):
            try:
                connection, _ = listener.accept()
            except OSError:  # none is left, or no descriptor; the loop's own server deals with that
                return
            connection.setblocking(False)
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._loop.create_task(self._open(connection))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket) -> None:
        with suppress(OSError):  # among them ssl.SSLError: the client failed to shake hands
            await self._loop.connect_accepted_socket(self._protocol, connection, ssl=self._tls)
