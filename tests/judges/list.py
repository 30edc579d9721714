"""The list of HTTP requests of gunicorn's own tests, as JSON.

list.py FOLDER: of gunicorn's source distribution. Of each request: its name, its bytes in base64, and
either `error`, the name of gunicorn's exception, or `bodies`, those of the requests in it, in base64.
"""
import base64
import glob
import json
import os
import sys

folder = sys.argv[1]
sys.path[:0] = [folder, os.path.join(folder, "tests")]
import treq  # noqa: E402: it is theirs, in the folder


def encoded(data):
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


cases = []
for path in sorted(glob.glob(os.path.join(folder, "tests/requests/*/*.http"))):
    stem = os.path.splitext(path)[0]
    case = {"name": "/".join(stem.split(os.sep)[-2:])}
    expect = treq.load_py(stem + ".py")["request"]
    case["bytes"] = encoded(treq.request(path, expect).data)
    if isinstance(expect, type):
        case["error"] = expect.__name__
    else:
        each = expect if isinstance(expect, list) else [expect]
        case["bodies"] = [encoded(one["body"]) for one in each]
    cases.append(case)
json.dump(cases, sys.stdout)
