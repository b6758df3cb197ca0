"""Both parsers read the same table: what the quick one accepts, Typer reads the same way."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import typer

from runner.cli.options import Option, quick, typer_command
from runner.cli.run import OPTIONS
from runner.running.plan import Request

PLAIN = [
    "",
    ".",
    "-e main",
    ". -e train",
    "-etrain .",
    ". -P lr=0.1",
    ". -P lr=0.1 -P 'name=a b'",
    ". -Plr=0.1",
    ". --param-list lr=0.1 --param-list=x=y=z",
    "https://example.org/x.git#sub -v main",
    ". --version v1.0 --env-manager local",
    ". --env-manager=virtualenv --quiet",
    ". -q --verbose --json",
    ". -A gpus=all -A t",
    ". -b local -c '{\"a\": 1}'",
    ". --experiment-name 'my experiment' --run-name first",
    ". --experiment-id 0 --run-id abc",
    ". --storage-dir /tmp/x --build-image",
    ". --timeout 2h --grace 5 --dry-run",
    ". -- --flag value -P x",
    "-- a b",
    ". -t team=x --tag a=b",
    "--quiet . -e main",
]
NOT_PLAIN = [
    ". --help",
    "-h",
    ". --unknown",
    ". -P",
    ". -e",
    ". one-too-many",
    ". --quiet=yes",
    ". -qv",
    ". -e -P x=1",
]


def through_typer(table: tuple[Option, ...], words: list[str]) -> dict[str, Any]:
    extra: list[str] = []
    if "--" in words:
        at = words.index("--")
        words, extra = words[:at], words[at + 1 :]
    seen: list[dict[str, Any]] = []

    def remember(values: dict[str, Any]) -> int:
        seen.append(values)
        return 0

    app = typer.Typer(add_completion=False)
    app.command()(typer_command(table, remember))
    with pytest.raises(SystemExit) as stop:
        typer.main.get_command(app).main(args=words, obj={"extra": extra})
    assert stop.value.code == 0
    return seen[0]


@pytest.mark.parametrize("line", PLAIN)
def test_both_parsers_agree(line: str) -> None:
    words = shlex.split(line)
    values = quick(OPTIONS, words)
    assert values is not None
    assert through_typer(OPTIONS, words) == values


@pytest.mark.parametrize("line", NOT_PLAIN)
def test_anything_else_is_left_to_typer(line: str) -> None:
    assert quick(OPTIONS, shlex.split(line)) is None


def test_every_option_of_run_is_a_field_of_the_request() -> None:
    shown_only = {"json", "quiet", "verbose", "help_params"}
    by_callers_only = {"extra", "parent"}
    fields = {option.field for option in OPTIONS} - shown_only | by_callers_only
    assert fields == set(Request._fields)
    for option in OPTIONS:
        if option.field in Request._field_defaults and option.kind != "many":
            assert Request._field_defaults[option.field] == option.default, option.field


def test_every_flag_of_mlflow_run_is_there() -> None:
    flags = "-e --entry-point -v --version -P --param-list -A --docker-args --experiment-name --experiment-id -b --backend"
    flags += " -c --backend-config --env-manager --storage-dir --run-id --run-name --build-image"
    ours = {name for option in OPTIONS for name in option.names}
    assert set(flags.split()) <= ours
