"""Tornado's client, which keeps its context when it compresses, whatever was agreed on.

keeper.py URL: prints what was agreed on, then says each line that it reads, and prints the close.
"""
import asyncio
import sys

from tornado.websocket import WebSocketClosedError, websocket_connect


async def main(url):
    socket = await websocket_connect(url, compression_options={})
    print("agreed", socket.headers.get("Sec-WebSocket-Extensions", "nothing"), flush=True)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def say():
        while line := await reader.readline():
            await socket.write_message(line.decode().rstrip("\n"))

    saying = asyncio.create_task(say())
    while await socket.read_message() is not None:
        pass
    print("closed", socket.close_code, socket.close_reason, flush=True)
    saying.cancel()
    await asyncio.gather(saying, return_exceptions=True)


try:
    asyncio.run(main(sys.argv[1]))
except WebSocketClosedError:
    pass
