"""How a text is written into a bash command so that it arrives unchanged, wherever in the command it stands.

`contexts` tells in which quotes or substitutions each character of a command lies, as layers, innermost
first; `write` writes a text for such a place. A text never changes the context of what comes after it.
"""

from __future__ import annotations

from runner.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = [
    "COMMENT",
    "FIXED",
    "MARK",
    "PLAIN",
    "Layers",
    "contexts",
    "is_plain",
    "quote",
    "reference",
    "write",
]

Layers: TypeAlias = tuple[str, ...]

PLAIN: Layers = ("plain",)
COMMENT: Layers = ("comment",)  # what stands there has no effect
FIXED: Layers = ("fixed",)  # bash gives characters a meaning of their own there: plain words only

MARK = "\x00"  # where a value will stand
SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-")
SEPARATORS = frozenset(" \t\n;|&()<>")
SHELLS = frozenset(("sh", "bash", "dash", "ash", "ksh", "zsh"))
NUMERIC_TESTS = (
    "-eq",
    "-ne",
    "-lt",
    "-le",
    "-gt",
    "-ge",
    "-v",
    "-R",
)  # of [[ ]]: they evaluate their operands


def is_plain(text: str) -> bool:
    """Whether bash takes the text as it is, everywhere."""
    return bool(text) and SAFE.issuperset(text)


def quote(text: str) -> str:
    """As shlex.quote, without importing it."""
    return text if is_plain(text) else "'" + text.replace("'", "'\"'\"'") + "'"


def write(text: str, layers: Layers) -> str | None:
    """The text for a place with these layers; None when it cannot stand there unchanged."""
    if is_plain(text):
        return text
    if layers == COMMENT:
        return "..."
    if layers == FIXED:
        return None
    for layer in layers:
        text = _written(text, layer)
    return text


def reference(variable: str, layers: Layers) -> str | None:
    """As `write`, for the value of a variable of the command's environment."""
    if layers == COMMENT:
        return "..."
    inner = {"plain": f'"${{{variable}}}"', "double": f"${{{variable}}}", "single": f"'\"${{{variable}}}\"'"}
    text = inner.get(layers[0])
    for layer in layers[1:]:
        text = text and _written(text, layer)
    return text


def _written(text: str, layer: str) -> str:
    if layer == "plain":
        return quote(text)
    if layer == "single":
        return text.replace("'", "'\\''")
    for character in '\\"$`' if layer == "double" else "\\$`":
        text = text.replace(character, "\\" + character)
    return text


def contexts(command: str) -> list[Layers]:
    """The layers of each character of a command."""
    return _Lexer(command).run()


class _Frame:
    """An open quote or substitution. `end` closes it."""

    __slots__ = (
        "begin",
        "documents",
        "end",
        "expression",
        "kind",
        "quoted",
        "script",
        "start",
        "ticked",
        "words",
    )

    def __init__(self, kind: str, start: int, end: str = "", script: bool = False) -> None:
        self.kind = kind  # plain, backtick, single, double, ansi, brace, arithmetic
        self.start = start
        self.end = end
        self.script = script  # a quoted string that is a script for another shell
        self.words: list[str] = []  # of the simple command that is being read
        self.begin = -1  # of the word that is being read
        self.documents: list[tuple[str, bool]] = []  # here-documents to come: (end line, tabs are stripped)
        # Of this one and those around it:
        self.expression = kind in ("brace", "arithmetic")
        self.quoted = kind == "double"
        self.ticked = kind == "backtick"

    def inside(self, outer: _Frame) -> _Frame:
        self.expression |= outer.expression
        self.quoted |= outer.quoted
        self.ticked |= outer.ticked
        return self


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.layers: list[Layers] = [PLAIN] * len(text)
        self.stack = [_Frame("plain", 0)]
        self.at = 0
        self.dollar = -2  # place of the last $ that has a meaning
        self.lost = False  # a construct that is not followed: what comes after it takes plain words only

    def run(self) -> list[Layers]:
        while self.at < len(self.text):
            frame = self.stack[-1]
            self.layers[self.at] = self.here()
            step = {"single": self.single, "ansi": self.ansi, "double": self.double}.get(frame.kind)
            if step is not None:
                step(frame)
            elif frame.kind in ("brace", "arithmetic"):
                self.expression(frame)
            else:
                self.code(frame)
        self.tests()
        return self.layers

    def here(self) -> Layers:
        frame = self.stack[-1]
        top = frame.kind
        if self.lost or frame.expression or top == "ansi":
            return FIXED
        if not frame.ticked:
            return (top,)
        kinds = [each.kind for each in self.stack]
        if any(kind != "plain" for kind in kinds[: kinds.index("backtick")]):
            return FIXED
        return ("plain" if top == "backtick" else top, "backtick")

    def push(self, frame: _Frame, width: int) -> None:
        for index in range(self.at, self.at + width):
            self.layers[index] = self.here()
        self.stack.append(frame.inside(self.stack[-1]))
        self.at += width

    def escape(self) -> None:
        """A backslash: what follows it loses its meaning, so a value after it would lose its quotes."""
        if self.at + 1 < len(self.text):
            self.layers[self.at + 1] = FIXED
        if self.text.startswith("\\`", self.at) and self.stack[-1].ticked:
            self.lost = True  # backticks in backticks
        self.at += 2

    # ---- one character in each kind of frame -------------------------------------------------------------

    def single(self, frame: _Frame) -> None:
        if self.text[self.at] == "'":
            self.close(frame)
        self.at += 1

    def ansi(self, frame: _Frame) -> None:
        if self.text[self.at] == "\\":
            self.escape()
            return
        self.single(frame)

    def double(self, frame: _Frame) -> None:
        character = self.text[self.at]
        if character == "\\":
            self.escape()
        elif character == '"':
            self.close(frame)
            self.at += 1
        elif not self.substitution(character):
            self.at += 1

    def expression(self, frame: _Frame) -> None:
        """Inside ${ } or (( ))."""
        character = self.text[self.at]
        if character == "\\":
            self.escape()
        elif self.text.startswith(frame.end, self.at):
            self.stack.pop()
            self.at += len(frame.end)
        elif character == "(" and frame.kind == "arithmetic":
            self.push(_Frame("arithmetic", self.at, ")"), 1)
        elif frame.kind == "brace" and character == "'" and not frame.quoted:
            self.push(_Frame("single", self.at), 1)
        elif frame.kind == "brace" and character == '"':
            self.push(_Frame("double", self.at), 1)
        elif not self.substitution(character):
            self.at += 1

    def substitution(self, character: str) -> bool:
        """Opens $( ), $(( )), ${ } or ` `, if one begins here."""
        ahead = self.text[self.at : self.at + 3]
        if character == "`":
            if self.stack[-1].ticked:
                while self.stack.pop().kind != "backtick":
                    pass
                self.at += 1
            else:
                self.push(_Frame("backtick", self.at), 1)
        elif ahead == "$((":
            self.push(_Frame("arithmetic", self.at, "))"), 3)
        elif ahead.startswith("$("):
            self.push(_Frame("plain", self.at, ")"), 2)
        elif ahead.startswith("${"):
            self.push(_Frame("brace", self.at, "}"), 2)
        elif ahead.startswith("$["):
            self.push(_Frame("arithmetic", self.at, "]"), 2)
        elif ahead.startswith("$" + MARK):  # would be read as a variable or a substitution
            self.layers[self.at + 1] = FIXED
            self.at += 2
        elif ahead.startswith("$$"):
            self.at += 2
        elif character == "$":
            self.dollar = self.at
            self.at += 1
        else:
            return False
        return True

    def code(self, frame: _Frame) -> None:
        """Outside of quotes."""
        character = self.text[self.at]
        if character in SEPARATORS:
            self.separator(frame, character)
            return
        if character == "#" and frame.begin < 0:
            while self.at < len(self.text) and self.text[self.at] != "\n":
                self.layers[self.at] = COMMENT
                self.at += 1
            return
        opening = frame.begin < 0
        if opening:
            frame.begin = self.at
        if character == "\\":
            if self.text.startswith("\\\n", self.at) and opening:
                frame.begin = -1
            self.escape()
        elif character in "'\"":
            kind = "double" if character == '"' else "ansi" if self.dollar == self.at - 1 else "single"
            self.push(_Frame(kind, self.at, script=opening and _takes_script(frame.words)), 1)
        elif not self.substitution(character):
            self.at += 1

    def separator(self, frame: _Frame, character: str) -> None:
        self.end_word(frame)
        ahead = self.text[self.at : self.at + 3]
        if character == ")" and frame.end == ")":
            self.stack.pop()
            self.at += 1
        elif ahead.startswith("((") and not frame.words:
            self.push(_Frame("arithmetic", self.at, "))"), 2)
        elif character == "(":
            self.push(_Frame("plain", self.at, ")"), 1)
        elif ahead == "<<<":
            self.at += 3
        elif ahead.startswith("<<"):
            self.announce(frame)
        else:
            if character in "\n;|&":
                frame.words = []
            self.at += 1
            if character == "\n" and frame.documents:
                self.layers[self.at - 1] = FIXED
                self.skip_documents(frame)

    # ---- words and here-documents ------------------------------------------------------------------------

    def end_word(self, frame: _Frame) -> None:
        if frame.begin < 0:
            return
        word = self.text[frame.begin : self.at]
        frame.begin = -1
        if word == "case" and len(self.stack) > 1:
            self.lost = True  # the ) of its patterns closes nothing
        frame.words.append(word)

    def close(self, frame: _Frame) -> None:
        self.stack.pop()
        inside = slice(frame.start + 1, self.at)
        if not frame.script:
            return
        content = self.text[inside]
        if frame.kind == "double" and any(mark in content for mark in ("\\", "`", "$(")):
            self.layers[inside] = [FIXED] * len(content)
        else:
            nested = contexts(content)
            outer = self.layers[inside]
            self.layers[inside] = [
                around if around == FIXED else within if within in (FIXED, COMMENT) else within + around
                for within, around in zip(nested, outer, strict=True)
            ]

    def announce(self, frame: _Frame) -> None:
        """`<<END`: the here-document begins after this line."""
        self.at += 2
        stripped = self.text.startswith("-", self.at)
        self.at += stripped
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1
        begin = self.at
        while self.at < len(self.text) and self.text[self.at] not in SEPARATORS:
            self.at += 1
        name = self.text[begin : self.at]
        for mark in "'\"\\":
            name = name.replace(mark, "")
        if not name.isidentifier():
            self.lost = True
        frame.documents.append((name, stripped))

    def skip_documents(self, frame: _Frame) -> None:
        for name, stripped in frame.documents:
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                last = (line.lstrip("\t") if stripped else line) == name
                after = min(end + (not last), len(self.text))
                self.layers[self.at : after] = [FIXED] * (after - self.at)
                self.at = min(end + 1, len(self.text))
                if last:
                    break
        frame.documents = []

    def tests(self) -> None:
        """[[ a -eq b ]] evaluates a and b as arithmetic, whatever their quotes."""
        begin = self.text.find("[[ ")
        while begin >= 0:
            end = self.text.find("]]", begin)
            end = len(self.text) if end < 0 else end
            if any(word in NUMERIC_TESTS for word in self.text[begin:end].split()):
                self.layers[begin:end] = [FIXED] * (end - begin)
            begin = self.text.find("[[ ", end)


def _takes_script(words: list[str]) -> bool:
    """Whether the next word of a simple command is a script that another shell will read."""
    if not words:
        return False
    last = words[-1]
    if last.startswith("-") and not last.startswith("--") and last.endswith("c"):
        return any(word.rpartition("/")[2] in SHELLS for word in words[:-1])
    return words[0] == "eval"
