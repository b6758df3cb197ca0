"""One delivery to a webhook, signed as MLflow signs, to public addresses only.

The address is looked up once, checked, and connected to: a name that leads elsewhere a moment later leads nowhere.
Redirections are not followed. PROJ_WEBHOOK_PRIVATE=1 allows http, and addresses of this machine and network.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import ipaddress
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

from runner.errors import InputError
from runner.tracking.registry.hooks import Topic, Webhook
from runner.values import JsonMapping

__all__ = ["Answer", "check", "deliver"]

PATIENCE = 10.0  # s, for a delivery from connecting to the end of the answer
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Answer(NamedTuple):
    status: int  # 0: there was none
    text: str


def is_private_allowed() -> bool:
    return os.environ.get("PROJ_WEBHOOK_PRIVATE", "") in ("1", "true")


def check(url: str) -> str:
    """The address to connect to. InputError for a URL to which nothing is delivered."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise InputError(
            f"Invalid webhook URL {url!r}: letters other than those of ASCII are escaped in it (%C3%BC, xn--...)."
        )
    schemes = ("https", "http") if is_private_allowed() else ("https",)
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise InputError(f"Invalid webhook URL {url!r}: {error}.") from None
    if parts.scheme not in schemes or not parts.hostname:
        raise InputError(f"Invalid webhook URL {url!r}: it must be {' or '.join(schemes)}, with a host.")
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        raise InputError(f"Invalid webhook URL {url!r}: the host cannot be found.") from None
    addresses = [str(each[4][0]) for each in found]
    if not is_private_allowed() and not all(map(_is_public, addresses)):
        raise InputError(
            f"Invalid webhook URL {url!r}: the host must be a public one"
            " (with PROJ_WEBHOOK_PRIVATE=1 the server allows others)."
        )
    return addresses[0]


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        address = inner or address
    return address.is_global and not address.is_multicast


def deliver(hook: Webhook, secret: str, topic: Topic, data: JsonMapping, at: int, delivery: str) -> Answer:
    """`at`: ms; `delivery`: id, the same when it is sent again."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 1000))
    body = json.dumps(
        {
            "entity": topic.entity.lower(),
            "action": topic.action.lower(),
            "timestamp": f"{stamp}.{at % 1000:03}+00:00",
            "data": data,
        }
    )
    moment = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": moment,
    }
    if secret:
        signed = hmac.new(secret.encode(), f"{delivery}.{moment}.{body}".encode(), hashlib.sha256).digest()
        headers["X-MLflow-Signature"] = f"v1,{base64.b64encode(signed).decode()}"
    try:
        return _post(hook.url, check(hook.url), body.encode(), headers)
    except InputError as error:
        return Answer(0, error.message)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(0, str(error) or type(error).__name__)


def _post(url: str, address: str, body: bytes, headers: dict[str, str]) -> Answer:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    link = http.client.HTTPConnection(parts.hostname or "", port, timeout=PATIENCE)
    end = time.monotonic() + PATIENCE
    used = socket.create_connection((address, port), timeout=PATIENCE)
    try:
        if secure:
            context = ssl.create_default_context()
            used = context.wrap_socket(used, server_hostname=parts.hostname, do_handshake_on_connect=False)
        with _ended(used, end - time.monotonic()):
            if isinstance(used, ssl.SSLSocket):
                used.do_handshake()
            link.sock = used
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            link.request("POST", path, body, {"Host": parts.netloc.rpartition("@")[2], **headers})
            answer = link.getresponse()
            return Answer(answer.status, answer.read(10_000).decode("utf-8", "replace"))
    finally:
        link.close()
        used.close()


@contextmanager
def _ended(used: socket.socket, seconds: float) -> Iterator[None]:
    """The connection lasts that long: a timeout of the socket's would begin again with each byte. TimeoutError."""
    late = threading.Event()

    def end() -> None:
        late.set()
        try:
            socket.socket.shutdown(used, socket.SHUT_RDWR)  # of the socket below TLS, which is in use
        except OSError:
            pass  # the other side was faster

    timer = threading.Timer(max(seconds, 0), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError):
        if not late.is_set():
            raise
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError(f"it took longer than {PATIENCE:g} s")
