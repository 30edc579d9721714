"""Asks, and judges the answers: h11 reads them, strictly, and httplint tells what is wrong with them.

lint.py HOST PORT: reads a list of requests as JSON, [method, target, fields, body], and prints a list of answers:
status, and what of httplint's notes is a warning or worse.
"""
import json
import socket
import sys
import time

import h11
from httplint import HttpRequestLinter, HttpResponseLinter
from httplint.note import levels

place = (sys.argv[1], int(sys.argv[2]))


def raw(fields):
    return [(name.encode(), value.encode()) for name, value in fields]


def ask(method, target, fields, body):
    request = HttpRequestLinter(start_time=time.time())
    request.process_request_topline(method.encode(), f"http://{place[0]}:{place[1]}{target}".encode(), b"HTTP/1.1")
    request.process_headers(raw(fields))
    answer = HttpResponseLinter(start_time=time.time(), _related=request)
    answer.is_head_response = method == "HEAD"
    parser = h11.Connection(h11.CLIENT)
    with socket.create_connection(place) as stream:
        own = [("Host", f"{place[0]}:{place[1]}"), *fields]
        own += [("Content-Length", str(len(body)))] if body is not None else []
        stream.sendall(parser.send(h11.Request(method=method, target=target, headers=own)))
        if body:
            stream.sendall(parser.send(h11.Data(data=body.encode())))
        stream.sendall(parser.send(h11.EndOfMessage()))
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                parser.receive_data(stream.recv(65536))
            elif isinstance(event, (h11.Response, h11.InformationalResponse)):
                answer.process_response_topline(b"HTTP/1.1", str(event.status_code).encode(), event.reason)
                answer.process_headers(event.headers.raw_items())
                if event.status_code == 101:
                    break
            elif isinstance(event, h11.Data):
                answer.feed_content(bytes(event.data))
                if fields and fields[0][1] == "text/event-stream":
                    break  # it has no end
            else:
                assert isinstance(event, h11.EndOfMessage), event
                break
    answer.finish_content(True)
    notes = [note.summary for note in answer.notes if note.level in (levels.WARN, levels.BAD)]
    return [answer.status_code, notes]


json.dump([ask(*one) for one in json.load(sys.stdin)], sys.stdout)
