"""Follows what a script does from its first line, as far as that decides which argparse parser gets which options.

Statements are walked in their order, functions of the module (and of modules beside it) where they are called. Both
ways of an `if` are walked; `under` are the conditions that hold where something happens.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from runner.scaffold.scripts.syntax import FUNCTIONS, Function, Module, is_guard, keywords

__all__ = ["Argument", "Group", "Parser", "Subparsers", "Walk"]

DEEPEST = 12  # calls
MOST = 20_000  # nodes


Conditions: TypeAlias = "tuple[int, ...]"  # statements, by identity; negative: their other branch


def within(these: Conditions, those: Conditions) -> bool:
    """Whether what needs only `these` is there whenever `those` hold."""
    return these == those[: len(these)]


class Argument:
    """A call of add_argument."""

    def __init__(self, call: ast.Call, module: Module, sure: bool, group: Group | None) -> None:
        self.call = call
        self.module = module
        self.sure = sure  # it is there whenever the parser is
        self.group = group


class Parser:
    def __init__(self, description: str = "", under: Conditions = ()) -> None:
        self.description = description
        self.under = under
        self.arguments: list[Argument] = []
        self.subparsers: Subparsers | None = None
        self.overridden: set[str] = set()  # by set_defaults
        self.used = False  # parse_args is called
        self.inner = False  # of a subcommand, or a parent of another parser
        self.notes: list[str] = []


class Group:
    def __init__(self, parser: Parser, exclusive: bool = False, required: bool = False) -> None:
        self.parser = parser
        self.exclusive = exclusive
        self.required = required


class Subparsers:
    def __init__(self, under: Conditions) -> None:
        self.under = under
        self.parsers: dict[str, Parser] = {}
        self.unknown = False  # there are others, whose names are not known
        self.required = False


class Walk:
    def __init__(self, module: Module) -> None:
        self.module = module
        self.parsers: list[Parser] = []
        self.left = MOST
        self.depth = 0

    def top(self) -> None:
        """The module as it is run: with its main guard."""
        self.body(self.module.tree.body, {}, ())

    def function(
        self, node: Function, module: Module, given: Sequence[Any] = (), under: Conditions = ()
    ) -> Any:
        if self.depth >= DEEPEST:
            return None
        outer, self.module = self.module, module
        self.depth += 1
        names = [each.arg for each in (*node.args.posonlyargs, *node.args.args)]
        try:
            return self.body(node.body, dict(zip(names, given)), under)  # noqa: B905
        finally:
            self.module = outer
            self.depth -= 1

    def body(self, statements: Iterable[ast.stmt], known: dict[str, Any], under: Conditions) -> Any:
        returned = None
        for each in statements:
            self.left -= 1
            if self.left < 0:
                break
            value = self.statement(each, known, under)
            returned = value if returned is None else returned
        return returned

    def statement(self, node: ast.stmt, known: dict[str, Any], under: Conditions) -> Any:
        if isinstance(node, FUNCTIONS):
            known[node.name] = node
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            value = self.value(node.value, known, under)
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if name := self.module.dotted(target):
                    known[name] = value
        elif isinstance(node, ast.Return):
            return self.value(node.value, known, under)
        elif isinstance(node, ast.If):
            self.value(node.test, known, under)
            bodies = [
                self.body(node.body, known, under if is_guard(node) else (*under, id(node))),
                self.body(node.orelse, known, (*under, -id(node))),
            ]
            return next((each for each in bodies if each is not None), None)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            return self.body((*node.body, *node.orelse), known, (*under, id(node)))
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                self.value(item.context_expr, known, under)
            return self.body(node.body, known, under)
        elif isinstance(node, ast.Try):
            value = self.body(node.body, known, under)
            self.body([each for handler in node.handlers for each in handler.body], known, (*under, id(node)))
            self.body((*node.orelse, *node.finalbody), known, under)
            return value
        elif not isinstance(node, ast.ClassDef):
            for child in ast.iter_child_nodes(node):
                self.value(child, known, under)
        return None

    def value(self, node: ast.AST | None, known: dict[str, Any], under: Conditions) -> Any:
        """A Parser, Group, Subparsers or function; None for all else."""
        if node is None or self.left < 0:
            return None
        if isinstance(node, (ast.Name, ast.Attribute)) and self.module.dotted(node) in known:
            return known[self.module.dotted(node)]
        if isinstance(node, ast.Call):
            self.left -= 1
            return self.call(node, known, under)
        if isinstance(node, ast.Lambda):
            return None
        for child in ast.iter_child_nodes(node):
            self.value(child, known, under)
        return None

    def call(self, node: ast.Call, known: dict[str, Any], under: Conditions) -> Any:
        name = self.module.dotted(node.func)
        if name and self.is_parser(name):
            return self.new(node, known, under)
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value, known, under)
            if isinstance(owner, (Parser, Group, Subparsers)):
                return self.method(owner, node.func.attr, node, known, under)
        arguments = [self.value(each, known, under) for each in node.args]
        named = {word: self.value(each, known, under) for word, each in keywords(node).items()}
        found = known.get(name)
        if isinstance(found, FUNCTIONS):
            return self.function(found, self.module, arguments, under)
        if name in self.module.functions:
            return self.function(self.module.functions[name], self.module, arguments, under)
        if (there := self.module.elsewhere(name)) and there[1] in there[0].functions:
            return self.function(there[0].functions[there[1]], there[0], arguments, under)
        for each in (*arguments, *named.values()):
            if isinstance(each, (Parser, Group)) and name not in ("print", "vars"):
                parser = each if isinstance(each, Parser) else each.parser
                parser.notes.append(f"what {name or 'a function'} adds to its options is not known")
        return None

    def is_parser(self, name: str) -> bool:
        if name == "argparse.ArgumentParser":
            return True
        node = self.module.classes.get(name)
        return node is not None and any(
            self.module.dotted(base) == "argparse.ArgumentParser" for base in node.bases
        )

    def new(self, node: ast.Call, known: dict[str, Any], under: Conditions) -> Parser:
        given = keywords(node)
        text = self.module.value(given.get("description"))
        parser = Parser(text if isinstance(text, str) else "", under)
        parents = given.get("parents")
        for each in parents.elts if isinstance(parents, (ast.List, ast.Tuple)) else ():
            parent = self.value(each, known, under)
            if isinstance(parent, Parser):
                parser.arguments += parent.arguments
                parser.notes += parent.notes
                parent.inner = True
            else:
                parser.notes.append("a parent of its parser is not known")
        if "prefix_chars" in given:
            parser.notes.append("its options have other prefixes than -")
        self.parsers.append(parser)
        return parser

    def method(
        self,
        owner: Parser | Group | Subparsers,
        name: str,
        node: ast.Call,
        known: dict[str, Any],
        under: Conditions,
    ) -> Any:
        if isinstance(owner, Subparsers):
            word = self.module.value(node.args[0]) if node.args else None
            if name == "add_parser" and isinstance(word, str) and within(under, owner.under):
                owner.parsers[word] = parser = self.new(node, known, under)
                help_text = self.module.value(keywords(node).get("help"))
                parser.description = parser.description or (help_text if isinstance(help_text, str) else "")
                parser.inner = True
                return parser
            owner.unknown = True
            return Parser()
        parser = owner if isinstance(owner, Parser) else owner.parser
        if name == "add_argument":
            group = owner if isinstance(owner, Group) and owner.exclusive else None
            parser.arguments.append(Argument(node, self.module, within(under, parser.under), group))
        elif name == "add_argument_group":
            return Group(parser)
        elif name == "add_mutually_exclusive_group":
            required = self.module.value(keywords(node).get("required"))
            return Group(parser, True, required is True)
        elif name == "add_subparsers":
            parser.subparsers = Subparsers(under)
            parser.subparsers.required = self.module.value(keywords(node).get("required")) is True
            return parser.subparsers
        elif name == "set_defaults":
            parser.overridden |= {*keywords(node)}
        elif name.startswith("parse_") or name == "parse":
            parser.used = True
        return None
