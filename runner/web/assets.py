"""Scripts and styles, under a name that follows from what is in them: browsers may keep them for ever.

One name for the folder rather than one for each file: the modules import each other by relative names.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from typing import Any

from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

__all__ = ["FOLDER", "mount", "version"]

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "static")


@cache
def version() -> str:
    found = hashlib.sha256()
    for name in sorted(os.listdir(FOLDER)):
        if name.endswith((".js", ".css", ".svg")):
            with open(os.path.join(FOLDER, name), "rb") as file:
                found.update(name.encode() + b"\0" + hashlib.sha256(file.read()).digest())
    return found.hexdigest()[:16]


class Kept(StaticFiles):
    def file_response(self, *arguments: Any, **named: Any) -> Response:
        """A page that was loaded before an upgrade gets what there is now, and may not keep it under the old name."""
        answer = super().file_response(*arguments, **named)
        scope = named.get("scope") or arguments[2]
        same = scope["path_params"].get("version") == version()
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable" if same else "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer


def mount() -> Mount:
    return Mount("/static/{version}", Kept(directory=FOLDER))
