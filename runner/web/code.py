"""The code of a run, as it was: its folders and files, highlighted; read from the snapshot in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from runner.errors import InputError, ProjError
from runner.protocol.answer import ApiError
from runner.protocol.bounds import BUDGET
from runner.snapshots import restore
from runner.text.terminal import printable
from runner.web import uncommitted
from runner.web.found import the_run
from runner.web.render import page

if TYPE_CHECKING:
    from runner.snapshots.restore import File
    from runner.tracking.store import Store

__all__ = ["highlighted", "show"]

HEAD = 256 * 1024  # bytes of a file that is shown
PREFIX = "hl-"  # of the classes of run.css


class Entry(NamedTuple):
    name: str
    path: str
    is_folder: bool
    size: int  # bytes; of a folder all in it
    mode: str  # of git


def show(request: Request) -> Response:
    """A folder, or a file, of the snapshot."""
    store: Store = request.app.state.site.store
    run = the_run(request)
    facts = run.sections.get("code", {})
    tree = str(facts.get("tree") or "")
    path = request.path_params.get("path", "").strip("/")
    problem = None
    files: list[File] = []
    try:
        if tree:
            files = restore.files(store.root, tree)
    except ProjError as error:
        problem = error
    file = next((each for each in files if each.path == path), None)
    entries = [] if file else _entries(files, path)
    if path and not file and not entries and not problem:
        raise ApiError("RESOURCE_DOES_NOT_EXIST", "There is no such file in the code of this run.")
    parts = path.split("/") if path else []
    crumbs = [(part, "/".join(parts[: place + 1])) for place, part in enumerate(parts)]
    readme = next((each for each in entries if each.name.lower() in ("readme.md", "mlproject")), None)
    shown = file or next((each for each in files if readme and each.path == readme.path), None)
    lines, cut = _lines(store.root, shown) if shown else ([], False)
    return page(
        request, "code.html", run=run, path=path, crumbs=crumbs, entries=entries, file=file, shown=shown, lines=lines,
        cut=cut, problem=problem, tree=tree, left_out=_left_out(facts), dirty=facts.get("dirty"),
        commit=str(facts.get("commit", "")), changes=() if path else uncommitted.changes(store, run),
        patch=None if path else uncommitted.patch(store, run),
    )  # fmt: skip


def _left_out(facts: object) -> list[tuple[str, str]]:
    """Files of the checkout that the snapshot does not have, and why."""
    found = facts.get("left_out") if isinstance(facts, dict) else None
    rows = found if isinstance(found, list | tuple) else ()
    return [(str(each.get("path")), str(each.get("reason", ""))) for each in rows if isinstance(each, dict)]


def _entries(files: list[File], folder: str) -> list[Entry]:
    prefix = f"{folder}/" if folder else ""
    folders: dict[str, int] = {}
    found = []
    for each in files:
        if each.path.startswith(prefix):
            name, slash, _ = each.path[len(prefix) :].partition("/")
            if slash:
                folders[name] = folders.get(name, 0) + each.size
            else:
                found.append(Entry(name, each.path, False, each.size, each.mode))
    inner = [Entry(name, prefix + name, True, size, "") for name, size in sorted(folders.items())]
    return [*inner, *sorted(found)]


def _lines(root: str, file: File) -> tuple[list[Markup], bool]:
    try:
        data = restore.content(root, file.blob, HEAD, BUDGET.seconds)
    except (ProjError, InputError):
        return [], False
    if b"\0" in data[:HEAD]:
        return [], False
    return highlighted(file.path, data[:HEAD].decode("utf-8", "backslashreplace")), len(data) > HEAD


def highlighted(path: str, text: str) -> list[Markup]:
    """Lines as HTML; a language that is not known is plain text."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import TextLexer, get_lexer_for_filename
    from pygments.lexers.data import YamlLexer
    from pygments.util import ClassNotFound

    options = {"stripnl": False, "ensurenl": False}
    try:
        name = path.rpartition("/")[2]
        lexer = YamlLexer(**options) if name == "MLproject" else get_lexer_for_filename(name, **options)
    except ClassNotFound:
        lexer = TextLexer(**options)
    shown = printable(text, lines=True)
    found = highlight(shown, lexer, HtmlFormatter(nowrap=True, classprefix=PREFIX))
    # the formatter escapes each token, and closes what it opened before each end of a line
    return [Markup(line) for line in found.rstrip("\n").split("\n")]  # noqa: S704
