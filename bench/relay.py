"""A relay on loopback that makes a connection as slow as one to another continent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def relay(address: str, port: int, seconds: float) -> Iterator[int]:
    """
    Yield a port of 127.0.0.1 that leads to ``address`` and ``port`` with a round trip of that many seconds.

    Each chunk is held for half of it; order is kept, and throughput is not limited.
    """
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(address, port)
        await asyncio.gather(_pour(reader, there[1], seconds / 2), _pour(there[0], writer, seconds / 2))

    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(connected, "127.0.0.1", 0), loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    loop = asyncio.get_running_loop()
    while data := await reader.read(1 << 16):
        loop.call_later(delay, writer.write, data)
    loop.call_later(delay, writer.close)
