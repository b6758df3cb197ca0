"""`proj ui`: the runs of a store in a browser."""

from __future__ import annotations

import gc
import os
import sys

from runner import paths
from runner.cli import reference
from runner.cli.options import Command, Option
from runner.errors import InputError

__all__ = ["COMMAND"]


def command(ref: str, port: int, no_browser: bool, location: str) -> int:
    """Open the runs of the store in a browser, until ^C. With RUN, its page.

    The link lets one browser in, once; nobody else on this machine sees the pages.
    """
    from runner.web import local

    root = paths.store(location)
    if "://" in root:
        raise InputError(f"{root} is a server, whose pages are its own", "proj ui --store FOLDER")
    os.makedirs(root, exist_ok=True)
    to = ""
    if ref:
        with reference.open_store(location) as store:
            to = f"runs/{reference.find(store, ref).run_id}"
    gc.enable()

    def ready(address: str) -> None:
        opened = not no_browser and _open(address)
        sys.stderr.write(f"{'opened' if opened else 'open'} {address}\n  ^C ends it\n")
        sys.stderr.flush()

    return local.serve(root, port, to, ready)


def _open(address: str) -> bool:
    """Whether a browser with windows took it; one in this terminal would take the terminal."""
    import webbrowser

    graphical = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    try:
        return bool(graphical) and webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return False


COMMAND = Command(command, (
    Option("ref", (), "The run whose page is opened.", metavar="[RUN]", complete="runs"),
    Option("port", ("--port",), "Port; 0 takes any.", "int", 0, metavar="N"),
    Option("no_browser", ("--no-browser",), "Print the link only.", "flag"),
    reference.STORE,
))  # fmt: skip
