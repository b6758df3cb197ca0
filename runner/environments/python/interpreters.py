"""Finds the Python that a project asks for on this machine, by exact path, never through shims."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from runner import paths
from runner.errors import EnvironmentFailure, InputError, ProjError
from runner.host import files, memo, process

__all__ = ["Interpreter", "asked", "choose", "found", "matches", "normalized", "own"]

# Where two have the same version, the first of these is taken.
PREFERENCE = ("proj", "uv", "pyenv", "PATH", "system", "conda")

QUERY = (
    "import sys, platform; print(platform.python_implementation()); print(platform.python_version());"
    "print(getattr(sys, '_base_executable', '') or sys.executable)"
)

CLAUSE = re.compile(r"(?:[<>]=?|[~!=]=|===)?\d+(?:\.\d+)*(?:\.\*|(?:a|b|rc|\.?dev)\d*)?t?")


class Interpreter(NamedTuple):
    path: str
    version: str  # 3.11.7, 3.14.0rc1
    place: str  # one of PREFERENCE
    implementation: str = "CPython"

    @property
    def order(self) -> tuple[bool, tuple[int, ...], int]:
        """The best is the greatest: final before pre-release, then newer, then by place."""
        return "a" not in self.suffix, numbers(self.version), -PREFERENCE.index(self.place)

    @property
    def suffix(self) -> str:
        """ "" for a final version, else something with an `a` in it."""
        return "" if re.fullmatch(r"[\d.]+", self.version) else "a"


def numbers(version: str) -> tuple[int, ...]:
    """(3, 11, 7) of "3.11.7rc1"; () when it begins with none."""
    return tuple(int(part) for part in re.match(r"\d*(?:\.\d+)*", version)[0].split(".") if part)  # type: ignore[index]


def own() -> Interpreter:
    """The one that `proj` itself runs under (outside its virtual environment)."""
    path = getattr(sys, "_base_executable", "") or sys.executable
    plain = ".".join(str(part) for part in sys.version_info[:3])
    final = sys.version_info.releaselevel == "final"
    version = plain if final else f"{plain}{sys.version_info.releaselevel}{sys.version_info.serial}"
    name = {"cpython": "CPython", "pypy": "PyPy"}.get(sys.implementation.name, sys.implementation.name)
    return Interpreter(path, version, "proj", name)


def found() -> list[Interpreter]:
    """All on this machine, the best first, each once."""
    seen: dict[str, Interpreter] = {}
    for interpreter in (own(), *_managed(), *_pyenv(), *_on_path(), *_system(), *_conda()):
        seen.setdefault(os.path.realpath(interpreter.path), interpreter)
    return sorted(seen.values(), key=lambda each: each.order, reverse=True)


def choose(asked: str, where: str, *, strict: bool = False) -> tuple[Interpreter, str]:
    """The interpreter for a request and a warning ("" when it is exactly what was asked for).

    "" takes our own; "3.10" the newest 3.10; "3.10.4" exactly that, or the newest 3.10 with a warning;
    ">=3.10,<3.13" our own when it fits, or else the newest that does; a path takes that one.
    """
    asked = asked.strip()
    if os.sep in asked:
        return _at(asked, where), ""
    wanted = normalized(asked, where)
    mine = own()
    if not wanted or (wanted[0] in "<>~!=" and matches(mine.version, wanted)):
        return mine, ""
    every = [each for each in found() if each.implementation == "CPython"]
    fitting = [each for each in every if matches(each.version, wanted)]
    if fitting:
        return fitting[0], ""
    minor = re.fullmatch(r"(?:==)?(\d+\.\d+)\.\d+", wanted)
    near = [each for each in every if minor and matches(each.version, minor[1])]
    if near and not strict:
        return near[0], f"Python {asked} ({where}) is not installed; using {near[0].version}"
    raise _missing(asked, where, every, near)


def normalized(asked: str, where: str) -> str:
    """A version, or specifiers of PEP 440, of what people write: `python=3.10`, `3.11.*`, `>= 3.9`; "" for any.

    InputError, with the place (`where`), for anything else.
    """
    text = asked.lower().replace(" ", "")
    text = re.sub(r"^(?:python|cpython)-?(?===|[<>~!=\d])", "", text)
    text = re.sub(r"^=(?!=)", "==", text)  # conda's =3.10
    if re.fullmatch(r"\d+(\.\d+)*\.\*", text):
        text = f"=={text}"
    if text != "*" and not all(CLAUSE.fullmatch(clause) for clause in text.split(",") if text):
        raise InputError(
            f"{where}: {asked!r} is not a version of Python", 'such as "3.11", "3.11.7" or ">=3.10,<3.13"'
        )
    return "" if text == "*" else text


def matches(version: str, wanted: str) -> bool:
    """`wanted` is 3, 3.11, 3.11.7, or clauses as in requires-python: >=3.10,<3.13,!=3.11.*"""
    return all(_clause(numbers(version), clause.strip()) for clause in wanted.split(",") if clause.strip())


def _clause(have: tuple[int, ...], clause: str) -> bool:
    operator, text = re.match(r"([<>~!=]*)(.*)", clause).groups()  # type: ignore[union-attr]
    text = text.strip()
    want = numbers(text)
    padded = want + (0,) * (3 - len(want))
    prefix = have[: len(want)] == want
    if operator == "":
        return prefix
    if operator in ("==", "===", "!="):
        # conda and people write ==3.10 for 3.10.*
        equal = prefix if text.endswith(".*") or len(want) < 3 else have == padded
        return equal != (operator == "!=")
    if operator == "~=":
        return have >= padded and have[: len(want) - 1] == want[:-1]
    return {
        ">=": have >= padded,
        "<=": have <= padded or prefix,
        ">": have > padded and not prefix,
        "<": have < padded,
    }[operator]


def _missing(asked: str, where: str, every: list[Interpreter], near: list[Interpreter]) -> EnvironmentFailure:
    versions = ", ".join(dict.fromkeys(each.version for each in reversed(every)))
    places = ", ".join(dict.fromkeys(_shortened(_home_of(each)) for each in every))
    use = near[0] if near else own()
    plain = re.search(r"\d+(\.\d+)*", asked)
    install = plain[0] if plain else "3.12"
    hint = "\n".join(
        (
            f"proj run ... --python {'.'.join(use.version.split('.')[:2])}  uses another version",
            f"uv python install {install}  needs the network",
            "proj run ... --allow-python-download  lets proj do that",
        )
    )
    return EnvironmentFailure(
        f"the project asks for Python {asked} ({where}), and it is not installed;"
        f" found: {versions} (in {places})",
        hint,
    )


def _home_of(interpreter: Interpreter) -> str:
    folder = os.path.dirname(interpreter.path)
    match = re.match(r"(.*)/(?:versions|python)/[^/]*\d[^/]*/bin$", folder)
    return match[0].rsplit("/", 2)[0] if match else folder


def _shortened(path: str) -> str:
    home = os.path.expanduser("~")
    return "~" + path[len(home) :] if path.startswith(home + os.sep) else path


def _at(path: str, where: str) -> Interpreter:
    path = os.path.abspath(os.path.expanduser(path))
    interpreter = asked(path, "PATH")
    if interpreter is None:
        raise InputError(f"{where}: {path} is not a Python that runs")
    return interpreter


# ---- places ----------------------------------------------------------------------------------------------


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _managed() -> Iterator[Interpreter]:
    """uv's: cpython-3.12.1-linux-x86_64-gnu/bin/python3.12"""
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    folder = os.environ.get("UV_PYTHON_INSTALL_DIR") or os.path.join(data, "uv", "python")
    for name in _listed(folder):
        if match := re.match(r"cpython-(\d+\.\d+\.\d+\w*)-", name):
            yield from _versioned(os.path.join(folder, name), match[1], "uv")


def _pyenv() -> Iterator[Interpreter]:
    root = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    for name in _listed(os.path.join(root, "versions")):
        if re.fullmatch(r"\d+\.\d+\.\d+\w*", name):
            yield from _versioned(os.path.join(root, "versions", name), name, "pyenv")


def _versioned(prefix: str, version: str, place: str) -> Iterator[Interpreter]:
    major, minor = numbers(version)[:2]
    for name in (f"python{major}.{minor}", "python"):
        path = os.path.join(prefix, "bin", name)
        if os.access(path, os.X_OK):
            yield Interpreter(path, version, place)
            return


def _on_path() -> Iterator[Interpreter]:
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if folder and not folder.rstrip("/").endswith("/shims"):
            yield from _in(folder, "PATH")


def _system() -> Iterator[Interpreter]:
    folders = ["/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"]
    folders += [f"/opt/{name}/bin" for name in _listed("/opt") if "python" in name.lower()]
    for folder in folders:
        yield from _in(folder, "system")


def _in(folder: str, place: str) -> Iterator[Interpreter]:
    names = [name for name in _listed(folder) if re.fullmatch(r"python3\.\d+", name)]
    for name in names or [
        name for name in ("python3", "python") if os.path.exists(os.path.join(folder, name))
    ]:
        interpreter = asked(os.path.join(folder, name), place)
        if interpreter:
            yield interpreter


def _conda() -> Iterator[Interpreter]:
    home = os.path.expanduser("~")
    roots = [
        os.path.join(base, name)
        for base in (home, "/opt")
        for name in ("miniforge3", "mambaforge", "miniconda3", "anaconda3", "conda")
    ]
    prefixes = [os.environ.get("CONDA_PREFIX", ""), *roots]
    prefixes += [
        os.path.join(root, "envs", name) for root in roots for name in _listed(os.path.join(root, "envs"))
    ]
    for prefix in filter(None, prefixes):
        for name in _listed(os.path.join(prefix, "conda-meta")):
            if match := re.match(r"python-(\d+\.\d+\.\d+\w*)-.*\.json$", name):
                yield from _versioned(prefix, match[1], "conda")


def asked(path: str, place: str) -> Interpreter | None:
    """What the interpreter says of itself, remembered as long as the file stays the same."""
    real = os.path.realpath(path)
    known = memo.recall("interpreter", real)
    if known is None:
        began = files.now()
        try:
            done = process.run([path, "-I", "-c", QUERY], timeout=20, cwd=paths.temporary())
        except (ProjError, OSError):
            return None
        known = done.out.split("\n")[:3] if done.code == 0 else []
        memo.keep("interpreter", real, [real], known, began)
    if len(known) != 3:
        return None
    implementation, version, base = known
    return Interpreter(base if os.access(base, os.X_OK) else path, version, place, implementation)
