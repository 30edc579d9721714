"""A member in Python: prints the SHA-256 of each message that it receives, and sends each line that it reads.

listener.py URL plain|context|no-context|small

At wss: any certificate will do.
"""
import hashlib
import ssl
import sys
import threading

from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Deflate
from websockets.sync.client import connect

url, kind = sys.argv[1:]
offers = {
    "plain": [],
    "context": [Deflate(client_max_window_bits=True)],
    "no-context": [Deflate(server_no_context_takeover=True, client_no_context_takeover=True)],
    "small": [Deflate(server_max_window_bits=9)],
}
trust = ssl._create_unverified_context() if url.startswith("wss:") else None
with connect(
    url, ssl=trust, compression=None, extensions=offers[kind], max_size=None
) as socket:
    agreed = socket.response.headers.get("Sec-WebSocket-Extensions", "")
    # A window smaller than the relay's is declined.
    assert ("permessage-deflate" in agreed) == kind.endswith("context"), agreed
    print("open", flush=True)

    def say():
        for line in sys.stdin:
            socket.send(line.rstrip("\n"))

    threading.Thread(target=say, daemon=True).start()
    try:
        for message in socket:
            data = message.encode() if isinstance(message, str) else message
            print(hashlib.sha256(data).hexdigest(), flush=True)
    except ConnectionClosed:
        pass  # the test sees the end of the output
