"""Templates -> responses. What a page says of a run is text: nothing of it is ever markup, script or style."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from runner.errors import ProjError
from runner.protocol.answer import ApiError
from runner.protocol.sending import DisconnectedError
from runner.text import units
from runner.text.terminal import printable
from runner.web.assets import version
from runner.web.colours import palette

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["HEADERS", "number", "page", "query", "streamed", "text"]

HERE = os.path.dirname(os.path.abspath(__file__))
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self';"
    " frame-src 'self'; media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
MARKS = {  # a word, a shape and a colour: none of them alone
    "RUNNING": ("●", "running", "live"),
    "SCHEDULED": ("○", "scheduled", "live"),
    "FINISHED": ("✓", "finished", "good"),
    "FAILED": ("✗", "failed", "bad"),
    "KILLED": ("■", "killed", "bad"),
}
VERDICTS = {
    "identical": ("≡", "identical", "good"),
    "within-tolerance": ("≈", "within tolerance", "good"),
    "different": ("≠", "different", "bad"),
    "cannot-run": ("!", "cannot run", "bad"),
}


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    found = Environment(
        loader=FileSystemLoader(os.path.join(HERE, "templates")),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(
        ago=units.ago,
        size=units.size,
        took=units.duration,
        time=units.local_time,
        iso=units.iso,
        number=number,
    )
    found.globals.update(marks=MARKS, verdicts=VERDICTS, query=query, palette=palette)
    return found


def page(request: Request, name: str, status: int = 200, **values: object) -> Response:
    """`top` leads from the page to the folder that all pages are below, so that a proxy may put that anywhere;
    `assets` to the scripts and styles.
    """
    depth = request.scope["path"].removeprefix(request.scope.get("root_path", "")).count("/") - 1
    visitor = request.scope["state"].get("visitor")
    top = "../" * max(depth, 0) or "./"
    common = {"top": top, "assets": f"{top}static/{version()}/", "visitor": visitor}
    return HTMLResponse(text(name, **common, **values), status, HEADERS)


def streamed(pieces: Iterator[str], name: str) -> Response:
    """CSV as a file of that name, as it is made. What is wrong from the start is said; later the connection ends."""
    first = next(pieces, "")

    def rest() -> Iterator[bytes]:
        yield first.encode("utf-8", "backslashreplace")
        try:
            for piece in pieces:
                yield piece.encode("utf-8", "backslashreplace")
        except (ProjError, ApiError, OSError) as error:
            raise DisconnectedError from error

    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(rest(), headers=headers, media_type="text/csv; charset=utf-8")


def text(name: str, **values: object) -> bytes:
    """A template filled in."""
    return _environment().get_template(name).render(**values).encode("utf-8", "backslashreplace")


def number(value: object) -> str:
    """A metric's value in six digits, as long as that says which number it is."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _shown(value: object) -> object:
    """What is not printable is visible: on a page, too, a mark of direction shows a text in another order."""
    return printable(value, lines=True) if type(value) is str else value


def query(values: Mapping[str, Any], **changes: object) -> str:
    """`?...` of a link: these values with some of them changed; empty ones are left out."""
    found = {key: value for key, value in {**values, **changes}.items() if value not in ("", None, [], ())}
    return "?" + urlencode(found, doseq=True) if found else "?"
