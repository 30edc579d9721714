"""Publishes what web requests say: python3 publish.py [PORT]"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote

import requests

RELAY = os.environ.get("FANFARE_URL", "http://127.0.0.1:2046")
SECRET = os.environ.get("FANFARE_SECRET")  # that of the relay's --token-key secret:PATH, if it has one
session = requests.Session()  # it keeps its connections


def token(user, room):
    """A token for a minute in one room."""
    part = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
    claims = {"sub": user, "hear": [room], "speak": [room], "exp": int(time.time()) + 60}
    signed = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    tag = hmac.digest(SECRET.encode(), signed, hashlib.sha256)
    return (signed + b"." + part(tag)).decode()


def publish(user, room, message, excepted=None, key=None):
    """Publishes a message, once; `excepted` is the connection that does not get it."""
    headers = {"Content-Type": "text/plain; charset=utf-8", "Idempotency-Key": key or str(uuid.uuid4())}
    if SECRET:
        headers["Authorization"] = "Bearer " + token(user, room)
    for left in (2, 1, 0):
        try:
            answer = session.post(f"{RELAY}/{quote(room, safe='')}", data=message.encode(),
                                  params={"except": excepted}, headers=headers, timeout=5)
            if answer.status_code not in (429, 502, 503, 504) or not left:
                if answer.status_code != 200:
                    raise RuntimeError(answer.text)
                return answer.json()
        except requests.ConnectionError:
            if not left:
                raise
        time.sleep(1)


class Backend(BaseHTTPRequestHandler):
    def do_POST(self):
        form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        form = {name: values[0] for name, values in parse_qs(form).items()}
        try:  # the signed-in user is from your session
            said = publish("ana", "news", form.get("text", ""), form.get("connection"), form.get("key"))
            self.send_response(200)
        except (RuntimeError, requests.RequestException) as error:
            said = {"error": str(error)}
            self.send_response(502)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    server = ThreadingHTTPServer(("127.0.0.1", port), Backend)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
