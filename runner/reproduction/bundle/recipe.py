"""How to make a run again by hand, from its bundle alone: for a reader who has no proj that still runs."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterator

from runner.reproduction.bundle.supplies import folder_of
from runner.running.recorded import Recorded
from runner.text.encoding import visible
from runner.text.names import canonical

__all__ = ["commands", "readme"]


def commands(recorded: Recorded, members: Collection[str]) -> list[str]:
    """Lines for a shell in the folder that the bundle was unpacked to. [] when there are no wheels to install."""
    python = str(recorded.section("environment").get("python", ""))
    place = f"packages/{folder_of(recorded.lock)}"
    if f"{place}/requirements.txt" not in members:
        return []
    lines = [f"python{'.'.join(python.split('.')[:2])} -m venv environment      # Python {python}"]
    pip = f"environment/bin/pip install --no-index --find-links {place}"
    lines.append(f"{pip} -r {place}/requirements.txt")
    for local, told in recorded.versions.items():
        name, _, version = told.partition("==")
        scm = f"SETUPTOOLS_SCM_PRETEND_VERSION_FOR_{canonical(name).replace('-', '_').upper()}={version}"
        path = shlex.quote("./" + os.path.normpath(f"code/{recorded.subdirectory}/{local}"))
        lines.append(f"{scm} \\\n  {pip}/build --no-deps -e {path}")
    lines += _inputs(recorded, members)
    lines.append('export PATH="$PWD/environment/bin:$PATH"')
    lines.append(f"cd {shlex.quote(f'code/{recorded.subdirectory}'.rstrip('/'))}")
    variables = recorded.section("command").get("variables") or {}
    lines += [f"export {name}={shlex.quote(str(value))}" for name, value in sorted(variables.items())]
    lines.append(str(recorded.section("command").get("command", "")))
    return [visible(line) for line in lines]


def _inputs(recorded: Recorded, members: Collection[str]) -> Iterator[str]:
    """Those that are not with the code, put where they were."""
    inside = f"code/{recorded.subdirectory}".rstrip("/")
    places = [(each, "code") for each in recorded.code.left_out]
    places += [(each, inside) for each in recorded.run.inputs]
    for each, top in places:
        name, kept = str(each.get("path", "")), f"inputs/{str(each.get('digest')).replace(':', '-')}"
        there = kept in members or any(member.startswith(f"{kept}/") for member in members)
        if there and name and not name.startswith(("/", "..")):
            target = shlex.quote(f"{top}/{name}")
            yield f"mkdir -p $(dirname {target}) && cp -r {kept} {target}"


def readme(recorded: Recorded, members: Collection[str], wheel: str) -> str:
    """README.md of the bundle."""
    run, lines = recorded.run, commands(recorded, members)
    by_hand = [f"    {line}" for text in lines for line in text.split("\n")]
    folder = str(recorded.section("command").get("directory", ""))
    return visible(
        "\n".join(
            [
                f"# Run {run.name} of {run.project}",
                "",
                "All that it takes to make this run again: its code, packages, inputs, record and results.",
                "`ro-crate-preview.html` is a page to read; what is what, archives find in `ro-crate-metadata.json`.",
                "",
                "## With proj",
                "",
                "    proj reproduce THIS-FILE.zip --offline",
                "",
                f"compares the result, too. `{wheel}` is the proj that made this bundle." if wheel else "",
                *(["", "## By hand", "", "Unpacked, in its folder:", "", *by_hand] if by_hand else []),
                *(["", f"(The run was in `{folder}`: a path in its command may say so.)"] if by_hand else []),
                "",
            ]
        )
    )
