"""Prints each event of an event stream as a line of JSON, and the error that ends the stream.

readers.py httpx-sse|sseclient-py URL [LAST_EVENT_ID]
"""
import json
import sys

import httpx
import requests
from httpx_sse import connect_sse
from sseclient import SSEClient

reader, url, *last = sys.argv[1:]
headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last[0]} if last else {})


def events():
    if reader == "httpx-sse":
        with httpx.Client(timeout=None) as client:
            with connect_sse(client, "GET", url, headers=headers) as source:
                yield from source.iter_sse()
    else:
        yield from SSEClient(requests.get(url, stream=True, headers=headers)).events()


try:
    for event in events():
        print(json.dumps([event.event, event.data, event.id or "", event.retry]), flush=True)
except (httpx.RemoteProtocolError, requests.exceptions.ChunkedEncodingError) as error:
    print(json.dumps(["incomplete", type(error).__name__]), flush=True)
