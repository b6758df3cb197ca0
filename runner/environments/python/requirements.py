"""Requirement lines as pip reads them: nested files put in place, local packages told by their content."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple

from runner.environments.python.following import look, walk
from runner.environments.python.wanted import path_of, relative, text_of
from runner.errors import CHECK, InputError
from runner.host.files import Hash, digest
from runner.text.credentials import redact
from runner.values import Json

__all__ = ["Flat", "Local", "LocalOptions", "expanded", "flatten", "tree_files"]

OPTION = re.compile(r"(-r|-c|-e|-f|-i|--[a-z-]+)(?:\s*=\s*|\s+|(?=\S)|$)(.*)$")
SHORT = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-f": "--find-links",
    "-i": "--index-url",
}
# what uv refuses or only warns of, and what cannot change the result
DROPPED = (
    *("--global-option", "--install-option", "--config-settings", "--use-feature"),
    *("--prefer-binary", "--trusted-host"),
)
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")  # as pip has it
ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")


class Local(NamedTuple):
    """A requirement that is a folder or a file of this machine."""

    text: str  # as it stands in the line: ./pkg
    path: str
    editable: bool
    digest: (
        str  # of the content; of an editable one, which follows its folder, of what decides how it is built
    )
    metadata: str = ""  # of an editable one: digest of what states its dependencies
    seen: str = ""  # the path by which the command sees it
    name: str = ""  # as recorded, with `version`, if the run is made again
    version: str = ""


class Flat(NamedTuple):
    lines: tuple[str, ...]
    constraints: tuple[str, ...]  # absolute paths, or URLs
    local: tuple[Local, ...]
    files: tuple[str, ...]
    content: Json  # all of it, without credentials
    warnings: tuple[str, ...]
    varying: bool  # a line has ${NAME}: what it means is not known from the files alone


class LocalOptions(NamedTuple):
    """How local packages are taken."""

    editable: bool = True  # False: installed as they are, as their folder will not stay
    moved: tuple[str, str] = ("", "")  # a folder, and the path by which the command sees it
    versions: Mapping[str, str] = {}  # text in the line -> name==version, as recorded

    def seen(self, path: str) -> str:
        """The path by which the command sees a file of the project."""
        old, new = self.moved
        return new + path[len(old) :] if old and f"{path}/".startswith(f"{old}/") else path


LOCAL_DEFAULTS = LocalOptions()


class _Reader:
    """Collects, file by file, what flatten() returns."""

    def __init__(self, base: str, options: LocalOptions) -> None:
        self.base = base
        self.options = options
        self.constraints: list[str] = []
        self.constraint_texts: list[str] = []
        self.local: list[Local] = []
        self.files: list[str] = []
        self.warnings: list[str] = []
        self.open: list[str] = []
        self.varying = False

    def lines(self, texts: Iterable[str], folder: str, where: str) -> Iterator[str]:
        for line in _logical(texts):
            if VARIABLE.search(line):
                self.varying = True
                # in a URL it is often a password: uv puts that in, and neither lock nor record has it
                line = line if re.search(r"(?<!file)://", line) else expanded(line)
            option = OPTION.match(line) if line.startswith("-") else None
            if option is None:
                yield self.requirement(line, folder, where)
                continue
            name, value = SHORT.get(option[1], option[1]), option[2].strip()
            if name in ("--requirement", "--constraint") and "://" not in value:
                yield from self.nested(name, value, folder, where)
            elif name == "--editable":
                kept = self.options.editable or "://" in value
                yield ("-e " if kept else "") + self.path(value, folder, where, editable=kept)
            elif name in DROPPED:
                self.warnings.append(f"{where}: {name} has no effect here")
            elif name == "--find-links" and "://" not in value:
                yield f"--find-links {os.path.join(folder, value)}"
            else:
                yield line

    def nested(self, name: str, value: str, folder: str, where: str) -> Iterator[str]:
        self.varying = self.varying or "$" in value
        path = os.path.normpath(os.path.join(folder, os.path.expandvars(value)))
        if not os.path.isfile(path) and os.path.isfile(os.path.join(self.base, value)):
            path = os.path.normpath(os.path.join(self.base, value))
        self.files.append(path)
        if not os.path.isfile(path):
            raise InputError(f"{where}: the file {value} that it refers to is not there ({path})", CHECK)
        if path in self.open:
            raise InputError(f"{where}: {value} refers to itself", CHECK)
        self.open.append(path)
        inner = self.lines(
            text_of(path).splitlines(), os.path.dirname(path), os.path.relpath(path, self.base)
        )
        if name == "--requirement":
            yield from inner
        else:
            self.constraints.append(path)
            self.constraint_texts += inner
        self.open.pop()

    def requirement(self, line: str, folder: str, where: str) -> str:
        body = re.split(r"\s;|\s--", line)[0].strip()
        named = re.match(r"([A-Za-z0-9][\w.-]*(?:\s*\[[^]]*\])?)\s*@\s*(.+)$", body)
        target = named[2].strip() if named else body
        plain = path_of(target)
        if "://" in target and not target.startswith("file:"):
            return line
        looks_local = target != plain or plain.startswith((".", "/")) or plain.lower().endswith(ARCHIVES)
        if (
            not named
            and not looks_local
            and not ("/" in plain and os.path.isdir(os.path.join(self.base, plain)))
        ):
            return line
        rest = line[len(body) :]
        where_to = self.path(plain, folder, where, editable=False)
        if named:  # uv takes relative paths there as URLs
            return f"{named[1]} @ {where_to}{rest}"
        return where_to + rest

    def path(self, text: str, folder: str, where: str, *, editable: bool) -> str:
        """A local path, made relative to the project, and its extras kept: ./pkg[extra]"""
        if "://" in text and not text.startswith("file:"):
            return text
        text = path_of(text)
        bare, bracket, extras = text.partition("[")
        bare = bare.strip()
        candidates = [os.path.normpath(os.path.join(start, bare)) for start in (self.base, folder)]
        path = next((each for each in candidates if os.path.exists(each)), "")
        if not path:
            raise InputError(f"{where}: the local package {bare} is not there ({candidates[0]})", CHECK)
        shown = path if os.path.isabs(bare) else relative(path, self.base)
        # the project itself follows its folder however it is stated, as its scripts do
        follows = os.path.isdir(path) and (editable or (path == self.base and self.options.editable))
        self.add(shown, path, follows)
        return f"{shown}{bracket}{extras}"

    def add(self, shown: str, path: str, editable: bool) -> None:
        """Notes a local package; `shown` is how lines call it."""
        name, _, version = self.options.versions.get(shown, "").partition("==")
        seen = self.options.seen(path)
        if editable:
            state = look(path, version)
            self.files += state.watched
            found = Local(shown, path, True, state.build, state.metadata, seen, name, version)
        else:
            own = list(tree_files(path)) if os.path.isdir(path) else [path]
            self.files += own
            found = Local(shown, path, False, _digest(path, own), "", seen, name, version)
        if all(each.text != shown for each in self.local):
            self.local.append(found)


def flatten(
    lines: Iterable[str],
    base: str,
    where: str,
    options: LocalOptions = LOCAL_DEFAULTS,
    known: Iterable[str] = (),
) -> Flat:
    """`base`: the project; relative paths start there, nested files at the file that names them.

    `known`: lines of local packages that others need, and not the lines themselves.
    """
    reader = _Reader(base, options)
    flat = tuple(reader.lines(lines, base, where))
    for _ in reader.lines(known, base, where):
        pass
    content: Json = [
        [_told(line) for line in flat],
        [_told(line) for line in reader.constraint_texts],
        [[each.text, each.editable, each.metadata or each.digest] for each in reader.local],
    ]
    return Flat(
        flat,
        tuple(reader.constraints),
        tuple(reader.local),
        tuple(reader.files),
        content,
        tuple(reader.warnings),
        reader.varying,
    )


def expanded(line: str) -> str:
    """With the values of ${NAME}, as pip does it; a variable that is not set stays as it is written."""
    return VARIABLE.sub(lambda match: os.environ.get(match[1], match[0]), line)


def _told(line: str) -> str:
    """Without credentials; what variables mean in it is told by a digest, as it may be one in any place."""
    plain = redact(line)
    if VARIABLE.search(line):
        plain += " " + sha256(redact(expanded(line)).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return plain


def _logical(texts: Iterable[str]) -> Iterator[str]:
    """Lines without comments, continued ones joined."""
    pending = ""
    for raw in texts:
        line = raw.strip()
        if line.startswith("#"):
            continue
        line = re.sub(r"\s+#.*$", "", line)
        if line.endswith("\\"):
            pending += line[:-1].rstrip() + " "
            continue
        whole = (pending + line).strip()
        pending = ""
        if whole:
            yield whole
    if pending.strip():
        yield pending.strip()


def tree_files(folder: str) -> Iterator[str]:
    """Files (and, to notice new ones, folders) that a package is built from."""
    for parent, _, files in walk(folder):
        yield parent
        for name in files:
            if not name.endswith((".pyc", ".pyo")):
                yield os.path.join(parent, name)


def _digest(root: str, chosen: Iterable[str]) -> str:
    total = Hash()
    for path in chosen:
        if os.path.isfile(path):
            name = os.path.relpath(path, root).encode("utf-8", "surrogateescape")
            total.update(name + b"\0" + bytes.fromhex(digest(path).hex))
    return total.result().hex[:32]
