"""Notes in Markdown -> HTML. What is HTML in them is text; pictures from elsewhere are links."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markupsafe import Markup

__all__ = ["html"]

MOST = 200_000  # characters


@cache
def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("js-default", {"html": False, "linkify": False}).disable("image")


def html(text: str) -> Markup:
    from markupsafe import Markup

    return Markup(_reader().render(text[:MOST]))  # noqa: S704 - html is off: all that is in the text is escaped
