"""What is wrong with a file of an environment, each with its place: read as carefully as the MLproject file.

A misspelt `dependancies:` would build an empty environment in silence. No network is asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from runner.environments.python.interpreters import matches, normalized
from runner.environments.python.wanted import Table, text_of
from runner.errors import Fault, InputError, ProjectError
from runner.host import yamltext
from runner.host.findings import Findings, kind
from runner.host.yamltext import Entry

__all__ = ["of_project", "of_requirements", "of_yaml", "python_problem", "refuse"]

KEYS = ("python", "build_dependencies", "dependencies")
# https://github.com/conda/ceps, "Specification of environment.yml input files": others are ignored, with a warning
CONDA_KEYS = ("name", "channels", "dependencies", "variables", "prefix", "platforms", "category")
PROJECT_KEYS = (
    *"name version description readme requires-python license license-files authors maintainers keywords".split(),
    *"classifiers urls scripts gui-scripts entry-points dependencies optional-dependencies dynamic".split(),
)
OPTIONS = (
    *(
        "-r",
        "-c",
        "-e",
        "-f",
        "-i",
        "--requirement",
        "--constraint",
        "--editable",
        "--find-links",
        "--index-url",
    ),
    *("--extra-index-url", "--no-index", "--pre", "--no-binary", "--only-binary", "--hash", "--trusted-host"),
    *("--prefer-binary", "--require-hashes", "--use-feature", "--global-option", "--install-option"),
    *("--config-settings", "--config-setting", "--no-deps", "--no-build-isolation"),
)
NAME = r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?"
EXTRAS = r"(?:\s*\[[^\]]*\])?"
OPERATOR = r"(?:===|==|~=|!=|<=|>=|<|>)"
SPEC = rf"{OPERATOR}\s*[\w.*+!-]+"
SPECS = rf"{SPEC}(?:\s*,\s*{SPEC})*\s*,?"
GOOD = re.compile(rf"{NAME}{EXTRAS}\s*(?:{SPECS}|\(\s*{SPECS}\s*\))?\s*(?:;.*|\s--\S.*)?$")
CONDA = re.compile(r"(?:\S+::)?[A-Za-z0-9_.-]+\*?(?:\s*(?:[=<>!~]=?|\s).*|\[.*)?$")
# what people write -> what they mean
MEANT: tuple[tuple[str, str, str], ...] = (
    (rf"({NAME}{EXTRAS})\s*=\s*([\w.*]+)$", r"\1==\2", "one = is conda's"),
    (rf"({NAME}{EXTRAS})\s*=>\s*([\w.*]+)$", r"\1>=\2", ""),
    (rf"({NAME}{EXTRAS})\s*=<\s*([\w.*]+)$", r"\1<=\2", ""),
    (rf"({NAME}{EXTRAS})\s*[@:]?\s+v?(\d[\w.]*)$", r"\1==\2", ""),
    (rf"({NAME}{EXTRAS})[@:]v?(\d[\w.]*)$", r"\1==\2", ""),
    (rf"({NAME}{EXTRAS})\s*~\s*(\d[\w.]*)$", r"\1~=\2", ""),
    (rf"({NAME}{EXTRAS})\s*\^\s*(\d[\w.]*)$", r"\1>=\2", "^ is poetry's"),
    (rf"({NAME}{EXTRAS}\s*{SPEC})\s*(?=[<>=!~])({SPEC})$", r"\1,\2", ""),
    (r"(?:pip3?|python3? -m pip|uv pip|uv add|conda) install\s+(.*)$", r"\1", "only what follows `install`"),
    (r"-\s+(.+)$", r"\1", "only a list of YAML has dashes"),
    (r"[\"'](.+)[\"'],?$", r"\1", "without the quotes"),
    (rf"({NAME}{EXTRAS}(?:\s*{SPECS})?),$", r"\1", ""),
)


def problem(line: str) -> tuple[str, str] | None:
    """What is wrong with a requirement line, without comment, and what to write; None where nothing is."""
    if line.startswith("-") and not line.startswith("- "):
        name = re.split(r"[\s=]", line)[0] if line.startswith("--") else line[:2]
        if name in OPTIONS:
            return None
        from difflib import get_close_matches

        close = get_close_matches(name, OPTIONS, 1, 0.8)
        return (f"{name} is no option of a requirements file", f"did you mean {close[0]}?") if close else None
    if GOOD.match(line) or "${" in line:
        return None
    for pattern, meant, why in MEANT:
        found = re.match(pattern, line)
        if found and GOOD.match(written := found.expand(meant)):
            return f"{line!r} is no requirement", f"{written}" + (f"  ({why})" if why else "")
    if re.match(rf"{NAME}{EXTRAS}\s*@\s*\S", line) or "/" in line or "\\" in line or line.startswith("."):
        return None  # a path or an address
    if re.search(rf"\.(?:whl|zip|tar\.\w+|tgz)\b|{NAME}\s*\[.*$", line) and "==" not in line:
        return None
    if re.search(rf"{OPERATOR}\s*(?:,.*|;.*)?$", line):
        return f"{line!r} has no version after the operator", "such as numpy>=1.26"
    return f"{line!r} is no requirement", "such as numpy, numpy>=1.26 or numpy[extra]==1.26.4"


def python_problem(asked: str, conda: bool = False) -> tuple[str, str] | None:
    """Whether no Python can be meant: not a version, or one that no release fits (conda has the old ones too)."""
    if os.sep in asked:
        return None
    try:
        wanted = normalized(asked, "")
    except InputError as error:
        return error.message.removeprefix(": "), error.hint
    releases = [f"3.{minor}.{patch}" for minor in range(0 if conda else 6, 21) for patch in range(41)]
    releases += [f"2.7.{patch}" for patch in range(19)] if conda else []
    if not wanted or any(matches(release, wanted) for release in releases):
        return None
    short = re.fullmatch(r"=*3\.([12])", wanted)
    hint = f'did you mean "3.{short[1]}0"?' if short else 'such as "3.11", "3.11.7" or ">=3.10,<3.13"'
    return f"there is no Python {asked} that can be used", hint


def of_yaml(text: str, file: str, directory: str, conda: bool, python: bool = True) -> list[Fault]:
    """Of a python_env.yaml or a conda environment. ProjectError when it is not YAML.

    `python`: its Python counts; another one was not asked for.
    """
    root = yamltext.read(file, text.encode("utf-8", "surrogatepass")).root
    if root is None or root.children is None:
        return []
    findings = Findings(file, strict=True)
    findings.unknown(
        root, "a conda environment" if conda else "a Python environment", CONDA_KEYS if conda else KEYS
    )
    for entry in root.children:
        if entry.key == "python" and python and not conda and entry.text:
            _python(entry, entry.text, findings)
        elif entry.key in KEYS[1:]:
            for item in entry.items or ():
                (_conda if conda else _requirement)(item, directory, findings)
    return findings.faults


def refuse(found: Iterable[Fault]) -> tuple[str, ...]:
    """ProjectError with the errors, if there are any; else the texts of the warnings."""
    if errors := [fault for fault in found if fault.severity == "error"]:
        raise ProjectError(errors)
    return tuple(fault.text for fault in found)


def _python(entry: Entry, asked: str, findings: Findings, conda: bool = False) -> None:
    if wrong := python_problem(asked, conda):
        findings.error(entry, *wrong)


def _requirement(item: Entry, directory: str, findings: Findings) -> None:
    line = re.sub(r"\s+#.*$", "", item.text).strip()
    if item.children is not None or item.items is not None:
        findings.error(item, f"a requirement is a text, not {kind(item)}", "such as numpy>=1.26")
    elif line and (wrong := problem(line)):
        findings.error(item, *wrong)
    elif nested := _nested(line):
        findings.faults += of_requirements(nested, directory, findings.file)


def _conda(item: Entry, directory: str, findings: Findings) -> None:
    if item.children is not None:
        for child in item.children:
            if child.key != "pip":
                findings.error(
                    child, f"{child.key!r} is no section of dependencies", "pip: [...]", value=False
                )
            for each in child.items or ():
                _requirement(each, directory, findings)
    elif item.items is None and item.text:
        if not CONDA.match(item.text) or re.search(r"[=<>!~]\s*$", item.text):
            findings.error(item, f"{item.text!r} is no package of conda", "such as numpy or numpy=1.26")
        elif found := re.match(r"(?:\S+::)?python\s*([<>=!~]*\s*[\d.*]+)$", item.text):
            _python(item, found[1].lstrip("=") if re.match(r"=\d", found[1]) else found[1], findings, True)


def _nested(line: str) -> str:
    found = re.match(r"(?:-r|--requirement)[\s=]*(?P<file>\S.*)$", line)
    return found["file"] if found and "://" not in found["file"] and "$" not in found["file"] else ""


def of_requirements(
    file: str, directory: str, named_by: str = "", seen: frozenset[str] = frozenset()
) -> list[Fault]:
    """Of a requirements file and those that it names; paths are relative to the folder of the file that names them."""
    place = os.path.normpath(os.path.join(os.path.dirname(named_by), file))
    path = os.path.join(directory, place)
    if not os.path.isfile(path) and os.path.isfile(os.path.join(directory, file)):
        place, path = file, os.path.join(directory, file)
    if path in seen or not os.path.isfile(path):
        return []  # what is not there is told by who reads it
    faults: list[Fault] = []
    for number, column, line in _lines(text_of(path).splitlines()):
        if wrong := problem(line):
            faults.append(Fault(place, number, column, *wrong))
        elif nested := _nested(line):
            faults += of_requirements(nested, directory, place, seen | {path})
    return faults


def _lines(texts: Iterable[str]) -> Iterator[tuple[int, int, str]]:
    """(line, column, text) of each requirement, without its comment; continued lines are joined."""
    pending, first = "", (0, 0)
    for number, raw in enumerate(texts, 1):
        line = raw.strip()
        if line.startswith("#"):
            continue
        line = re.sub(r"\s+#.*$", "", line)
        first = first if pending else (number, len(raw) - len(raw.lstrip()) + 1)
        if line.endswith("\\"):
            pending += line[:-1].rstrip() + " "
            continue
        if whole := (pending + line).strip():
            yield *first, whole
        pending = ""


def of_project(table: Table, text: str, file: str) -> list[Fault]:
    """Of the [project] table of a pyproject.toml."""
    from difflib import get_close_matches

    project = table.get("project", {})
    faults = []
    for key in project:
        left = [name for name in PROJECT_KEYS if name not in project]
        if key not in PROJECT_KEYS and (close := get_close_matches(key, left, 1, 0.75)):
            faults.append(
                _at(text, file, key, f"{key!r} is no key of [project]", f"did you mean {close[0]!r}?")
            )
    extras = project.get("optional-dependencies", {})
    lists = [project.get("dependencies", ()), *(extras.values() if isinstance(extras, dict) else ())]
    for line in (
        line for lines in lists if isinstance(lines, list) for line in lines if isinstance(line, str)
    ):
        if wrong := problem(line.strip()):
            faults.append(_at(text, file, line, *wrong))
    needs = project.get("requires-python", "")
    if isinstance(needs, str) and needs and (wrong := python_problem(needs)):
        faults.append(_at(text, file, needs, *wrong))
    return faults


def _at(text: str, file: str, word: str, message: str, hint: str) -> Fault:
    at = max(text.find(word), 0)
    return Fault(file, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at), message, hint)
