"""The registry of a server: calls a second, and how long a get and a search take beside many versions.

    python benchmarks/registry.py http://127.0.0.1:5000 [VERSIONS]

The server is somebody else's: `proj server --port 5000`, or `mlflow server --workers 1`. One connection, one call after
the other. VERSIONS (default 2000) are made in models of 20.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

API = "/api/2.0/mlflow/"
EACH = 20  # versions of a model


class Link:
    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._link = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)

    def call(self, method: str, path: str, body: dict[str, Any]) -> Any:
        data = None if method == "GET" else json.dumps(body).encode()
        query = f"?{urlencode(body)}" if method == "GET" else ""
        self._link.request(method, API + path + query, data, {"Content-Type": "application/json"})
        answer = self._link.getresponse()
        text = answer.read()
        if answer.status != 200:
            sys.exit(f"{path}: {answer.status} {text[:300]!r}")
        return json.loads(text)


def rate(what: str, count: int, work: Callable[[int], object]) -> None:
    began = time.perf_counter()
    for number in range(count):
        work(number)
    taken = time.perf_counter() - began
    print(f"{what:<32} {count / taken:8.1f}/s   {1000 * taken / count:8.2f} ms", flush=True)


def main(address: str, versions: int) -> None:
    link = Link(address)
    mark = f"b{int(time.time())}"

    def create(number: int) -> None:
        name = f"{mark}-{number // EACH:05}"
        if number % EACH == 0:
            link.call("POST", "registered-models/create", {"name": name})
        link.call("POST", "model-versions/create", {"name": name, "source": f"s3://b/{number}"})

    rate("create versions (20 a model)", versions, create)
    name = f"{mark}-big"
    link.call("POST", "registered-models/create", {"name": name})
    source = {"name": name, "source": "s3://b/m"}
    rate(
        "create versions of one model",
        versions // 4,
        lambda _: link.call("POST", "model-versions/create", source),
    )
    one = {"name": name, "alias": "champion", "version": "1"}
    rate("set an alias", 100, lambda _: link.call("POST", "registered-models/alias", one))
    rate(
        "get by alias",
        200,
        lambda _: link.call("GET", "registered-models/alias", {"name": name, "alias": "champion"}),
    )
    tag = {"name": name, "version": "1", "key": "k", "value": "v"}
    rate("set a tag", 100, lambda _: link.call("POST", "model-versions/set-tag", tag))
    rate(
        "get a model of many versions",
        100,
        lambda _: link.call("GET", "registered-models/get", {"name": name}),
    )
    rate(
        "get a version", 200, lambda _: link.call("GET", "model-versions/get", {"name": name, "version": "7"})
    )
    few = {"max_results": 10, "filter": f"name = '{mark}-00001'"}
    rate("search versions by name", 50, lambda _: link.call("GET", "model-versions/search", few))
    rate(
        "search versions, first 10",
        20,
        lambda _: link.call("GET", "model-versions/search", {"max_results": 10}),
    )
    rate(
        "search models, first 10",
        20,
        lambda _: link.call("GET", "registered-models/search", {"max_results": 10}),
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2000)
