"""Both parsers read the same tables: what the quick one accepts, Typer reads the same way."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Iterator

import pytest

from runner.cli import complete
from runner.cli.application import typer_command
from runner.cli.commands import COMMANDS, load
from runner.cli.options import Command, Group, Value, find, quick
from runner.running.plan import Request

PLAIN = [
    "run",
    "run .",
    "run -e main",
    "run . -e train",
    "run -etrain .",
    "run . -P lr=0.1",
    "run . -P lr=0.1 -P 'name=a b'",
    "run . -Plr=0.1",
    "run . --param-list lr=0.1 --param-list=x=y=z",
    "run https://example.org/x.git#sub -v main",
    "run . --version v1.0 --env-manager local",
    "run . --env-manager=virtualenv --quiet",
    "run . -q --verbose --json",
    "run . -A gpus=all -A t",
    "run . -b local -c '{\"a\": 1}'",
    "run . --experiment-name 'my experiment' --run-name first",
    "run . --experiment-id 0 --run-id abc",
    "run . --storage-dir /tmp/x --build-image",
    "run . --timeout 2h --grace 5 --dry-run",
    "run . -t team=x --tag a=b",
    "run --quiet . -e main",
    "plan . -e main -P a=1 --from b --force c --force 'd*' --mermaid -q",
    "why train . -P a=1 --json",
    "check",
    "check -v main --json sub",
    "info . --version v1",
    "ci report last --base main",
    "notebook train.ipynb lr=0.1 name=x",
    "env ls --json",
    "env show 0123",
    "env verify 01 23 --deep",
    "env rm --all",
    "env gc --older-than 12h --max-size=2GB",
    "env lock . --group dev --group test --python 3.12",
    "env diff first second",
    "runs",
    "runs 'metrics.a < 1' -n 5 --columns name,status -a",
    "runs --filter 'metrics.a < 1'",
    "here --json",
    "cache",
    "cache --json --store /s",
    "cache prune git environments --older-than 2d --dry-run",
    "env rm --all --dry-run",
    "env gc --dry-run",
    "exec -C folder pip list",
    "exec -q --python 3.12 ls",
    "shell -e train --offline",
    "env kernel --install -C folder",
    "ps --json",
    "watch one two --interval 2 --json",
    "wait one two --timeout 5m --json",
    "run . --detach --notify 'echo $PROJ_STATUS' --notify https://example.org/hook",
    "rm --filter \"status = 'FAILED'\" --all",
    "show",
    "show last~1 --store /s",
    "models",
    "models ls --filter \"name = 'a'\" --all --json",
    "models register last credit --path model -t a=b",
    "models show credit/7 --json",
    "models info credit@champion --from http://localhost:5000",
    "models check credit/7 --tolerance rel:1e-6 --signed",
    "models alias credit champion 7 -m why",
    "models stage credit/7 Production --archive",
    "models diff credit/6 credit/7",
    "models tag credit/7 a=b --remove c",
    "models policy credit champion gate.yaml",
    "models promote credit/7 champion -q",
    "models approve credit/7 champion --key k",
    "models events -f --json --after 01",
    "ui last --no-browser --port 0",
    "logs -f -t --stream=2 first",
    "log metric loss=1 acc=2 --step 4",
    "log metric loss=1 --timestamp 1700000000000 --run last",
    "log artifact a b --path plots",
    "log dataset data.csv --context training",
    "cancel one two --wait 0",
    "reproduce last -n 2 --tolerance 1e-6 -P a=b",
    "rerun last -P lr=1 --name again -t a=b",
    "diff one two --stat",
    "bundle last -o x.zip --max-input 1G",
    "compare one two three -a",
    "artifacts ls last",
    "artifacts get last plots -o here -f",
    "tag last a=b c=d --remove e",
    "rename last new-name",
    "note last some words --append",
    "note last -",
    "rm one two --dry-run",
    "restore last folder",
    "gc -y --older-than=30d",
    "export -o runs.csv --columns a,b one",
    "experiments",
    "experiments --all",
    "experiments new name -t a=b",
    "experiments rename old new",
    "doctor --verbose",
    "new basic folder -d a=b -d c=d --defaults",
    "new --list",
    "init . -y",
    "update . -d a=b --ask",
    "import mlflow.db --experiment a --no-artifacts",
    "sync --list",
    "sync last --to http://host",
    "serve ./model",
    "serve credit@champion -p 0 -w2 --batch 8 --from http://localhost:5000",
    "predict credit/7 in.csv -o out.parquet --keep id -P t=1 --chunk=9 --cached",
    "server",
    "server --port 0 --workers=2 --allowed-host a --allowed-host b --rate 1.5",
    "server token create --name ann --role reader --expires never",
    "server token list --json",
    "server token revoke ann",
]
NOT_PLAIN = [
    "run . --help",
    "run -h",
    "run . --unknown",
    "run . -P",
    "run . -e",
    "run . one-too-many",
    "run . --quiet=yes",
    "run . -qv",
    "run . -e -P x=1",
    "runs -n many",
    "runs -n -1",
    "server --rate fast",
    "server --port -h",
    "rename only-one",
    "env show",
    "env rm --al",
    "export -o -",
]


def found(line: str) -> tuple[Command, list[str]]:
    name, *words = shlex.split(line)
    command = find(load(name), words)
    assert command is not None
    return command[0], list(command[1])


def all_commands() -> Iterator[tuple[str, Command]]:
    waiting = [(name, load(name)) for name in COMMANDS]
    while waiting:
        name, entry = waiting.pop()
        if isinstance(entry, Group):
            waiting += [(f"{name} {each}", inner) for each, inner in entry.commands.items()]
            waiting += [(name, entry.alone)] if entry.alone else []
        else:
            yield name, entry


@pytest.mark.parametrize("line", PLAIN)
def test_both_parsers_agree(line: str) -> None:
    command, words = found(line)
    values = quick(command.options, words)
    assert values is not None
    seen: list[dict[str, Value]] = []
    remembering = Command(lambda **given: seen.append(given) or 7, command.options)  # type: ignore[func-returns-value]
    assert typer_command("x", remembering, ()).main(args=words, standalone_mode=False) == 7
    assert seen == [values]


@pytest.mark.parametrize("line", NOT_PLAIN)
def test_anything_else_is_left_to_typer(line: str) -> None:
    command, words = found(line)
    assert quick(command.options, words) is None


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_plain_line(name: str) -> None:
    assert any(line.split()[0] == name for line in PLAIN)


KINDS = {"text": str, "flag": bool, "many": tuple[str, ...], "int": int, "float": float}


@pytest.mark.parametrize(("name", "command"), [pytest.param(*each, id=each[0]) for each in all_commands()])
def test_a_table_fits_its_function(name: str, command: Command) -> None:
    """One parameter for each option, of its type, and what the shell completes is there."""
    declared = {option.field: KINDS[option.kind] for option in command.options}
    for option in command.options:
        if option.names and option.default is None:
            declared[option.field] |= None
        assert not option.complete or option.complete in complete.__all__
    assert len(declared) == len(command.options)
    assert len({each for option in command.options for each in option.names}) == sum(
        len(option.names) for option in command.options
    )
    signature = inspect.signature(command.function, eval_str=True)
    taken = {
        key: each.annotation for key, each in signature.parameters.items() if each.kind != each.VAR_KEYWORD
    }
    if name in ("plan", "why"):  # the others are fields of a request
        assert taken.items() <= declared.items()
        assert set(declared) - set(taken) <= set(Request._fields)
    elif name == "run":
        assert taken.items() <= declared.items()
        assert set(declared) - set(taken) | {"extra", "parent", "all_outputs", "handed"} == set(
            Request._fields
        )
    else:
        assert taken == declared | ({"extra": tuple[str, ...]} if command.passes_on else {})
    assert command.function.__doc__


def test_what_run_leaves_out_is_the_default_of_the_request() -> None:
    command, _ = found("run")
    for option in command.options:
        if option.field in Request._field_defaults:
            assert Request._field_defaults[option.field] == option.absent, option.field


def test_what_follows_two_dashes_is_passed_on_or_refused() -> None:
    command, _ = found("run")
    seen: list[Value] = []
    echoing = command._replace(function=lambda extra: seen.append(extra) or 0)  # type: ignore[func-returns-value]
    assert echoing.call({}, ["--flag", "value"]) == 0
    assert seen == [("--flag", "value")]
    other, _ = found("rename a b")
    with pytest.raises(Exception, match="nothing can follow -- here: c d"):
        other.call({}, ["c", "d"])


def test_every_flag_of_mlflow_run_is_there() -> None:
    flags = "-e --entry-point -v --version -P --param-list -A --docker-args --experiment-name --experiment-id -b --backend"
    flags += " -c --backend-config --env-manager --storage-dir --run-id --run-name --build-image"
    command, _ = found("run")
    assert set(flags.split()) <= {name for option in command.options for name in option.names}
