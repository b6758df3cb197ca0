"""Runs a script up to its first `parse_args`, and prints that parser as a script of its own.

Run by the Python of the project, so it imports nothing of proj.
"""

from __future__ import annotations

import argparse
import ast
import os
import runpy
import sys
from typing import Any

ACTIONS = {
    "_StoreTrueAction": "'store_true'",
    "_StoreFalseAction": "'store_false'",
    "_AppendAction": "'append'",
    "_ExtendAction": "'extend'",
    "_CountAction": "'count'",
    "BooleanOptionalAction": "argparse.BooleanOptionalAction",
}


def written(value: object) -> str:
    """As a literal; a call of nobody's, where it has none."""
    try:
        text = repr(value)
        return text if ast.literal_eval(text) == value else "computed()"
    except (ValueError, SyntaxError, TypeError):
        return "computed()"


def source(parser: Any, name: str) -> list[str]:
    lines, groups = [], {}
    for number, group in enumerate(parser._mutually_exclusive_groups):
        lines.append(f"{name}_{number} = {name}.add_mutually_exclusive_group(required={group.required})")
        groups.update(dict.fromkeys(map(id, group._group_actions), f"{name}_{number}"))
    for action in parser._actions:
        kind = type(action).__name__
        if kind == "_SubParsersAction":
            lines.append(f"{name}_s = {name}.add_subparsers(required={action.required})")
            seen = set()
            for number, (word, inner) in enumerate(action.choices.items()):
                if id(inner) not in seen:
                    seen.add(id(inner))
                    lines.append(
                        f"{name}_s{number} = {name}_s.add_parser({word!r}, description={inner.description!r})"
                    )
                    lines += source(inner, f"{name}_s{number}")
        elif kind not in ("_HelpAction", "_VersionAction"):
            lines.append(f"{groups.get(id(action), name)}.add_argument({arguments(action, kind)})")
    lines += [f"{name}.set_defaults({key}=None)" for key in parser._defaults if key.isidentifier()]
    return lines


def arguments(action: Any, kind: str) -> str:
    strings = action.option_strings[:1] if kind == "BooleanOptionalAction" else action.option_strings
    words = [repr(each) for each in strings or [action.dest]]
    if strings:
        words.append(f"dest={action.dest!r}")
        words.append(f"required={action.required}")
    if kind != "_StoreAction":
        words.append(f"action={ACTIONS.get(kind, repr(kind))}")
    if kind in ("_StoreAction", "_AppendAction", "_ExtendAction"):
        if action.nargs is not None:
            words.append(f"nargs={action.nargs!r}")
        if action.type is not None:
            words.append(f"type={action.type.__name__ if action.type in (int, float, str) else 'custom'}")
    if action.default is not None:
        words.append(f"default={written(action.default)}")
    if action.choices is not None:
        words.append(f"choices={written(list(action.choices))}")
    if isinstance(action.help, str):
        words.append(f"help={action.help!r}")
    return ", ".join(words)


def caught(parser: Any, *_: object, **__: object) -> None:
    lines = ["import argparse", f"p = argparse.ArgumentParser(description={parser.description!r})"]
    text = "\n".join([*lines, *source(parser, "p"), "p.parse_args()", ""])
    sys.stdout.flush()
    os.write(int(sys.argv[-1]), text.encode("utf-8"))
    os._exit(0)


if __name__ == "__main__":
    script, handle = sys.argv[1:]
    argparse.ArgumentParser.parse_args = caught  # type: ignore[assignment]
    argparse.ArgumentParser.parse_known_args = caught  # type: ignore[assignment]
    sys.argv = [script, handle]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")
