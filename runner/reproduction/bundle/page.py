"""The page about a run that lies in its bundle: to be read without proj, and without a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from time import gmtime, strftime
from typing import Any
from urllib.parse import quote

from runner.environments.packages import packages
from runner.reproduction.bundle import recipe
from runner.running.recorded import Recorded
from runner.text.encoding import visible

__all__ = ["render"]

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top; }
th { font-weight: 500; color: #666; } td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
pre { background: #f4f4f4; padding: .7rem; overflow-x: auto; } .status { color: #666; }
@media (prefers-color-scheme: dark) {
  body { background: #181818; color: #ddd; } pre { background: #262626; }
  th, .status { color: #999; } a { color: #8bf; }
}
"""


def render(recorded: Recorded, members: Sequence[str], lacking: Sequence[str]) -> str:
    run = recorded.run
    parts = [
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{escape(run.name)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(run.name)}</h1><p class='status'>{escape(_status(recorded))}</p>",
        _section("Make it again", ["<pre>proj reproduce THIS-FILE.zip --offline</pre>"]),
        _section("By hand, in the folder that it was unpacked to", _recipe(recorded, members)),
        _table("Parameters", run.params.items()),
        _table("Metrics", ((name, run.metrics[name].value) for name in sorted(run.metrics))),
        _section("Command", [f"<pre>{escape(str(recorded.section('command').get('command', '')))}</pre>"]),
        _links("Outputs", [name for name in members if name.startswith("run/artifacts/")], "run/artifacts/"),
        _table(
            "Inputs", ((each.get("path") or each.get("uri"), each.get("digest", "")) for each in run.inputs)
        ),
        _table("Code", _code(recorded)),
        _links("Files of the code", [name for name in members if name.startswith("code/")][:500], "code/"),
        _table("Environment", recorded.section("environment").items()),
        _table("Packages", packages(recorded.packages).items()),
        _table("Machine", recorded.section("machine").items()),
        _table("Record", [("run", run.run_id), ("output", _link("run/output.log", members))], raw=True),
        _section("Not in this bundle", [f"<p>{escape(each)}</p>" for each in lacking]),
        "</body></html>\n",
    ]
    return visible("\n".join(part for part in parts if part))


def _recipe(recorded: Recorded, members: Sequence[str]) -> list[str]:
    lines = "\n".join(recipe.commands(recorded, set(members)))
    return [f"<pre>{escape(lines)}</pre>"] if lines else []


def _status(recorded: Recorded) -> str:
    run = recorded.run
    started = strftime("%Y-%m-%d %H:%M:%S UTC", gmtime(run.start_time / 1000))
    took = f", {(run.end_time - run.start_time) / 1000:.1f} s" if run.end_time else ""
    return f"{run.project} · {run.entry_point} · {run.status} · {started}{took} · {run.user}"


def _code(recorded: Recorded) -> list[tuple[str, Any]]:
    code = recorded.code
    facts = [
        ("repository", code.repository),
        ("commit", code.commit),
        ("branch", code.branch),
        ("tree", code.tree),
    ]
    if code.dirty is not None:
        facts.append(("state", "with uncommitted changes" if code.dirty else "as committed"))
    return [(name, value) for name, value in facts if value]


def _section(title: str, parts: Sequence[str]) -> str:
    return "\n".join((f"<h2>{escape(title)}</h2>", *parts)) if parts else ""


def _table(title: str, rows: Iterable[tuple[Any, Any]], raw: bool = False) -> str:
    lines = [
        f"<tr><th>{escape(str(name))}</th><td>{value if raw else escape(str(value))}</td></tr>"
        for name, value in rows
        if value not in ("", None)
    ]
    return _section(title, ["<table>", *lines, "</table>"]) if lines else ""


def _links(title: str, names: Sequence[str], prefix: str) -> str:
    return _section(title, [f"<div>{_anchor(name, name.removeprefix(prefix))}</div>" for name in names])


def _link(name: str, members: Sequence[str]) -> str:
    return _anchor(name, name) if name in members else ""


def _anchor(name: str, shown: str) -> str:
    return f"<a href='{quote(name)}'>{escape(shown)}</a>"
