"""Random scripts with a command line, each with the values that it needs; and what the program prints of them."""

from __future__ import annotations

import random
from typing import NamedTuple

__all__ = ["Program", "generated"]

TEXTS = [
    "adam",
    "a b",
    "it's",
    "x=1",
    "-dash",
    "é",
    "data/train.csv",
    "3",
    "true",
    "",
    "a,b",
    "{brace}",
    "$HOME",
    '"q"',
]
SHOW = "import json\ndef show(values): print(json.dumps({k: str(getattr(v, 'value', v)) for k, v in sorted(values.items()) if k not in ('func', 'help')}))\n"


class Program(NamedTuple):
    text: str
    given: dict[str, str]  # parameter -> a value for it; all that are required are in it
    needed: dict[str, list[str]]  # parameter -> the words by which the program itself is given it


class _Maker:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.given: dict[str, str] = {}
        self.needed: dict[str, list[str]] = {}

    def text(self) -> str:
        return self.random.choice(TEXTS)

    def value(self, kind: str) -> object:
        number = self.random.choice([0, 3, -2, 64, 1000])
        return {"int": number, "float": self.random.choice([0.1, -0.5, 1e-05, 3.0, 2]), "str": self.text()}[
            kind
        ]

    def name(self, number: int) -> str:
        return (
            self.random.choice(["lr", "learning-rate", "batch_size", "model", "x", "data_dir", "n2"])
            + f"{'-' if number % 2 else '_'}{number}"
        )


def generated(library: str, seed: int) -> Program:
    maker = _Maker(seed)
    text = {"argparse": _argparse, "click": _click, "typer": _typer, "fire": _fire, "argv": _argv}[library](
        maker
    )
    return Program(text, maker.given, maker.needed)


def _argparse(make: _Maker) -> str:
    lines = ["import argparse, sys", SHOW, "p = argparse.ArgumentParser(description='It%%s: a \"test\"')"]
    owner = "p"
    for number in range(make.random.randint(1, 7)):
        name, kind = make.name(number), make.random.choice(["int", "float", "str"])
        dest = name.replace("-", "_")
        shape = make.random.choice(
            [
                "plain",
                "default",
                "untyped",
                "required",
                "choices",
                "switch",
                "boolean",
                "list",
                "append",
                "positional",
                "optional",
                "exclusive",
                "rest",
                "lambda",
            ]
        )
        default = make.value(kind)
        typed = f", type={kind}" if kind != "str" or make.random.random() < 0.5 else ""
        value = str(make.value(kind))
        if shape == "plain":
            lines.append(
                f"{owner}.add_argument('-{chr(97 + number)}', '--{name}'{typed}, help='100%% of: %(default)s #1')"
            )
            make.given[dest] = value
        elif shape == "default":
            lines.append(f"{owner}.add_argument('--{name}'{typed}, default={default!r})")
        elif shape == "untyped":
            lines.append(f"{owner}.add_argument('--{name}', default={default!r})")
        elif shape == "required":
            lines.append(f"{owner}.add_argument('--{name}'{typed}, required=True)")
            make.given[dest] = value
            make.needed[dest] = [f"--{name}={value}"]
        elif shape == "choices":
            items = {"int": [1, 2, 3], "float": [0.5, 1.0], "str": ["on", "off", "a b"]}[kind]
            typed = typed or (", type=str" if kind == "str" else "")
            lines.append(
                f"{owner}.add_argument('--{name}'{typed}, choices={items!r}, default={make.random.choice(items)!r})"
            )
            make.given[dest] = str(items[0])
        elif shape == "switch":
            action = make.random.choice(["store_true", "store_false"])
            lines.append(f"{owner}.add_argument('--{name}', action={action!r})")
            make.given[dest] = make.random.choice(["true", "yes", "no", "False"])
        elif shape == "boolean":
            lines.append(
                f"{owner}.add_argument('--{name}', action=argparse.BooleanOptionalAction, default={number % 2 == 0})"
            )
            make.given[dest] = "off"
        elif shape == "list":
            item = [make.value(kind) for _ in range(2)] if kind != "str" else ["a", "b c"]
            lines.append(f"{owner}.add_argument('--{name}'{typed}, nargs='+', default={item!r})")
            make.given[dest] = "1,2"
        elif shape == "append":
            lines.append(f"{owner}.add_argument('--{name}'{typed}, action='append', default=[])")
            make.given[dest] = "1,2"
        elif shape == "positional":
            lines.append(f"{owner}.add_argument('{dest}'{typed})")
            value = value.lstrip("-") or "v"
            make.given[dest] = value
            make.needed[dest] = [value]
        elif shape == "optional":
            lines.append(
                f"{owner}.add_argument('{dest}'{typed}, nargs='?', default={abs(default) if not isinstance(default, str) else 'z'!r})"
            )
        elif shape == "exclusive":
            lines.append(f"g{number} = {owner}.add_mutually_exclusive_group()")
            lines.append(f"g{number}.add_argument('--{name}', type=int, default=1)")
            lines.append(f"g{number}.add_argument('--not-{name}', action='store_true')")
            make.given[dest] = "5"
        elif shape == "rest":
            lines.append(f"if len(sys.argv) > 100: {owner}.add_argument('--only-{name}')")
        else:
            lines.append(
                f"{owner}.add_argument('--{name}', type=lambda text: text.upper(), default={make.text()!r})"
            )
        if number == 3:
            lines.append("group = p.add_argument_group('more')")
            owner = "group"
    return "\n".join([*lines, "show(vars(p.parse_args()))", ""])


def _click(make: _Maker) -> str:
    decorators, names = [], []
    for number in range(make.random.randint(1, 7)):
        name, kind = make.name(number), make.random.choice(["int", "float", "str"])
        dest = name.replace("-", "_")
        shape = make.random.choice(
            [
                "plain",
                "default",
                "required",
                "choice",
                "flag",
                "pair",
                "range",
                "multiple",
                "nargs",
                "argument",
                "path",
                "secret",
                "variadic",
            ]
        )
        value = str(make.value(kind))
        if shape == "plain":
            decorators.append(
                f"@click.option('-{chr(97 + number)}', '--{name}', type={kind}, help='a: b #c')"
            )
            make.given[dest] = value
        elif shape == "default":
            decorators.append(f"@click.option('--{name}', default={make.value(kind)!r}, show_default=True)")
        elif shape == "required":
            decorators.append(f"@click.option('--{name}', required=True, type={kind})")
            make.given[dest], make.needed[dest] = value, [f"--{name}={value}"]
        elif shape == "choice":
            decorators.append(
                f"@click.option('--{name}', type=click.Choice(['no', 'b c', '1']), default='1')"
            )
            make.given[dest] = "no"
        elif shape == "flag":
            decorators.append(f"@click.option('--{name}', is_flag=True)")
            make.given[dest] = "on"
        elif shape == "pair":
            decorators.append(f"@click.option('--{name}/--no-{name}', default={number % 2 == 0})")
            make.given[dest] = "n"
        elif shape == "range":
            decorators.append(
                f"@click.option('--{name}', type=click.IntRange(0, 10, max_open=True), default=4)"
            )
            make.given[dest] = "9"
        elif shape == "multiple":
            decorators.append(f"@click.option('--{name}', type=float, multiple=True, default=(1.5, 2.0))")
            make.given[dest] = "1,-2"
        elif shape == "nargs":
            decorators.append(f"@click.option('--{name}', nargs=2, type=int, default=(1, -2))")
            make.given[dest] = "3,-4"
        elif shape == "argument" and not any("nargs=-1" in each for each in decorators):
            decorators.append(f"@click.argument('{dest}', type={kind})")
            value = value.lstrip("-") or "v"
            make.given[dest], make.needed[dest] = value, [value]
        elif shape == "path":
            decorators.append(f"@click.option('--{name}', type=click.Path(exists=True), default='main.py')")
        elif shape == "secret":
            dest = f"api_token_{number}"
            decorators.append(f"@click.option('--api-token-{number}', envvar='SOME_TOKEN', hidden=True)")
            make.given[dest] = "s3cret'x"
        elif not any("nargs=-1" in each for each in decorators):
            decorators.append(f"@click.argument('{dest}', nargs=-1)")
            make.given[dest] = "a b,c"
        else:
            continue
        names.append(dest)
    # arguments are taken in their order: one that takes all the rest is the last
    decorators.sort(key=lambda line: "nargs=-1" in line)
    return "\n".join(
        [
            "import click",
            SHOW,
            "@click.command()",
            *decorators,
            "def main(**values):",
            "    '''Doc: here.'''",
            "    show(values)",
            "if __name__ == '__main__':",
            "    main()",
            "",
        ]
    )


def _typer(make: _Maker) -> str:
    first, later = [], []
    for number in range(make.random.randint(1, 7)):
        dest, kind = make.name(number).replace("-", "_"), make.random.choice(["int", "float", "str"])
        option = f"--{dest.replace('_', '-')}"
        shape = make.random.choice(
            ["argument", "default", "option", "annotated", "bool", "optional", "enum", "list", "required"]
        )
        value = str(make.value(kind))
        if shape == "argument":
            value = value.lstrip("-") or "v"
            first.append(f"{dest}: {kind}")
            make.given[dest], make.needed[dest] = value, [value]
        elif shape == "default":
            later.append(f"{dest}: {kind} = {make.value(kind)!r}")
        elif shape == "option":
            later.append(f"{dest}: int = typer.Option(3, min=0, max=9, help='how: many')")
            make.given[dest] = "7"
        elif shape == "annotated":
            later.append(
                f"{dest}: Annotated[{kind}, typer.Option('--other-{number}')] = {make.value(kind)!r}"
            )
            make.given[dest] = value
        elif shape == "bool":
            later.append(f"{dest}: bool = {number % 2 == 0}")
            make.given[dest] = "no"
        elif shape == "optional":
            later.append(f"{dest}: Optional[{kind}] = None")
            make.given[dest] = value
        elif shape == "enum":
            later.append(f"{dest}: Kind = Kind.second")
            make.given[dest] = "one way"
        elif shape == "list":
            later.append(f"{dest}: List[int] = [1, 2]")
            make.given[dest] = "4,5"
        else:
            later.append(f"{dest}: {kind} = typer.Option(...)")
            make.given[dest], make.needed[dest] = value, [f"{option}={value}"]
    head = "from enum import Enum\nfrom typing import Annotated, List, Optional\nimport typer\nclass Kind(str, Enum):\n    first = 'one way'\n    second = 'no'\n"
    body = [
        "app = typer.Typer()",
        "@app.command()",
        f"def train({', '.join((*first, *later))}):",
        "    show(locals())",
        "app()",
        "",
    ]
    return "\n".join([head, SHOW, *body])


def _fire(make: _Maker) -> str:
    first, later = [], []
    for number in range(make.random.randint(1, 6)):
        dest, kind = (
            make.name(number).replace("-", "_"),
            make.random.choice(["int", "float", "str", "bool", "none"]),
        )
        if make.random.random() < 0.3:
            value = make.random.choice(["adam", "4", "0.5", "a/b.csv"])
            first.append(dest)
            make.given[dest], make.needed[dest] = value, [f"--{dest}={value}"]
        else:
            default = {"bool": True, "none": None}.get(kind) if kind in ("bool", "none") else make.value(kind)
            later.append(f"{dest}={default!r}")
            if kind == "bool":
                make.given[dest] = "False"
    return "\n".join(
        [
            "import fire",
            SHOW,
            f"def main({', '.join((*first, *later))}):",
            "    show(locals())",
            "if __name__ == '__main__':",
            "    fire.Fire(main)",
            "",
        ]
    )


def _argv(make: _Maker) -> str:
    lines, required = ["import sys", SHOW, "values = {}"], make.random.randint(0, 3)
    for number in range(1, required + make.random.randint(1, 2)):
        kind = make.random.choice(["int", "float", "str"])
        value = str(make.value(kind))
        if number <= required:
            lines.append(f"x{number} = {kind}(sys.argv[{number}])")
            make.given[f"x{number}"], make.needed[f"x{number}"] = value, [value]
        else:
            default = make.value(kind)
            lines.append(
                f"x{number} = {kind}(sys.argv[{number}]) if len(sys.argv) > {number} else {default!r}"
            )
            make.given[f"x{number}"] = value
        lines.append(f"values['x{number}'] = x{number}")
    if len(lines) == 3:
        lines += ["x1 = sys.argv[1]", "values['x1'] = x1"]
        make.given["x1"], make.needed["x1"] = "a b", ["a b"]
    return "\n".join([*lines, "show(values)", ""])
