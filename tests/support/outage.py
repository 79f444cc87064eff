"""A way to a server of loopback that can be cut: connections break, and new ones are refused."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from support.servers import free_port

CHUNK = 65536


class Way:
    """Passes connections to one port on to another.

    Attributes:
        port: of loopback, where it listens unless it is cut.
    """

    def __init__(self, to: int) -> None:
        """Listens nowhere yet."""
        self.port, self._to = free_port(), to
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """From now on nobody gets through."""
        self._call(self._cut()).result()

    def mend(self) -> None:
        """From now on everybody gets through."""
        self._call(self._mend()).result()

    def run(self) -> None:
        """Serves until it is closed."""
        self._loop.run_forever()
        self._loop.run_until_complete(self._cut())
        self._loop.run_until_complete(asyncio.sleep(0.1))
        self._loop.close()

    def close(self) -> None:
        """Ends `run`."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _call(self, what: "asyncio.coroutines.Coroutine[None, None, None]") -> "Future[None]":
        return asyncio.run_coroutine_threadsafe(what, self._loop)

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._open:
            writer.transport.abort()

    async def _mend(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._open |= {writer, back}
        await asyncio.gather(self._copy(reader, back), self._copy(there, writer))
        self._open -= {writer, back}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                writer.write(data)
                await writer.drain()
        writer.close()


@contextmanager
def way_to(port: int) -> Iterator[Way]:
    """A way to a port of loopback, for the length of the block."""
    way = Way(port)
    thread = threading.Thread(target=way.run, name=f"way to {port}")
    thread.start()
    try:
        way.mend()
        yield way
    finally:
        way.close()
        thread.join()
