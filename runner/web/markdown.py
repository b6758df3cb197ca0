"""Notes and files in Markdown (CommonMark with tables): what is markup in them is shown as text, pictures are links."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from runner.text.terminal import printable

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

__all__ = ["html"]

LONGEST = 200_000  # characters


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    # js-default passes no HTML, and no address that a browser would act on (javascript:, data:)
    found = MarkdownIt("js-default", {"html": False}).disable("image")
    found.add_render_rule("link_open", _link)
    return found


def _link(self: Any, tokens: Any, place: int, options: Any, env: Any) -> str:
    """Who follows a link does not say from where."""
    tokens[place].attrSet("rel", "noopener noreferrer nofollow")
    return str(self.renderToken(tokens, place, options, env))


def html(text: str) -> Markup:
    """Without raw HTML, images of elsewhere and scripts; at most LONGEST characters."""
    shown = printable(text[:LONGEST], lines=True)
    try:
        return Markup(_parser().render(shown))  # noqa: S704 - made of tokens, each of them escaped
    except RecursionError:
        return Markup("<pre>{}</pre>").format(shown)
