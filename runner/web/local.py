"""`proj ui`: the pages of a store for the one browser that they were opened in, on this machine, until ^C."""

from __future__ import annotations

import signal
import socket
import sys
import traceback
from collections.abc import Callable

from runner.errors import InputError
from runner.protocol.answer import ApiError
from runner.protocol.application import application
from runner.protocol.gate import Entry, Gate, Head, Limits
from runner.protocol.serving import Server
from runner.tracking.store import Store
from runner.web.access import OneBrowser
from runner.web.site import DOORS, Site, address, pages

__all__ = ["serve"]

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class PagesOnly(Gate):
    def enter(self, head: Head) -> Entry:
        raise ApiError(
            "ENDPOINT_NOT_FOUND", f"`proj ui` has pages only; `proj server` serves {head.path[:100]}"
        )

    def failed(self, problem: BaseException) -> None:
        sys.stderr.write("".join(traceback.format_exception(problem)))


def serve(root: str, port: int, to: str, ready: Callable[[str], None]) -> int:
    """Serves until SIGINT, SIGTERM or SIGHUP. `ready` gets the address, which lets one browser in; `to`: a page.

    InputError when the port cannot be had.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except (OSError, OverflowError) as error:
        listener.close()
        message = f"port {port} cannot be used: {getattr(error, 'strerror', None) or error}"
        raise InputError(message, "proj ui --port 0  takes any") from None
    listener.listen(128)
    gate, limits, keeper = PagesOnly(), Limits(), OneBrowser()
    with Store(root) as store:
        site = Site(store, keeper, NAMES)
        server = Server(application(gate, limits, pages(site), DOORS), gate, limits, grace=1)
        for number in ENDING:
            signal.signal(number, lambda _number, _frame: server.stop())
        server.listen(listener)
        server.start()
        base = f"http://{HOST}:{listener.getsockname()[1]}"
        ready(address(base, keeper.invite(), to))
        server.wait()
    return 0
