"""Joins a room and prints what is said there: python3 listen.py ws://127.0.0.1:2046/news"""

import sys

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

address = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:2046/"
try:
    # The relay bounds its messages itself; and a proxy is not for a relay that was named.
    with connect(address, max_size=None, proxy=None) as room:
        print("listening to", address, file=sys.stderr)
        try:
            for message in room:
                is_text = isinstance(message, str)
                print(message if is_text else f"({len(message)} bytes)", flush=True)
        except KeyboardInterrupt:
            room.close()
except (WebSocketException, OSError) as error:
    sys.exit(f"closed: {error}")
print(f"closed: {room.close_code} {room.close_reason}", file=sys.stderr)
sys.exit(0 if room.close_code == 1000 else 1)
