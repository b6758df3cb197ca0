"""What `proj check` calls an error is refused by `proj run` where MLflow has no say, and its warnings are told."""

from __future__ import annotations

import pytest

from tests.helpers import make_tree, proj

REFUSED = {
    "lr: {type: float, default: abc}": "MLproject:5:34: the default of lr, 'abc', is not a float",
    "lr: {type: flaot, default: 1}": "did you mean 'float'?",
    "lr: {choices: a, default: a}": "choices is a list",
    "lr: {type: int, choices: [1, b], default: 1}": "'b', of the choices of lr, is not",
    "lr: {type: int, min: 3, default: 1}": "the default of lr, 1, is not an int, 3 or more",
    "lr: {type: int, min: 3, max: 2}": "min of the parameter lr is above its max",
    "lr: {type: string, min: 3, default: 4}": "min is for parameters of type int or float",
    "lr: {type: float, max: high, default: 4}": "max is a number",
    "lr: {required: perhaps}": "required is true or false",
    'lr: {default="x"}': 'write a colon, not =: `default: "x"`',
}
WARNED = {
    "lr: {default: 1, defualt: 2}": "'defualt' is no key of the parameter lr",
    "lr: username": "'username', of the parameter lr, is no type",
    "lr: {default: 1}\n      other: {default: 2}": "its value reaches nothing",
}


def run(
    parameters: str, command: str = "echo {lr}", *arguments: str, key: str = "parameters"
) -> tuple[int, str]:
    text = f"name: x\nentry_points:\n  main:\n    {key}:\n      {parameters}\n    command: {command}\n  other: {{command: echo fine}}\n"
    make_tree("p", {"MLproject": text})
    done = proj("run", "p", *arguments)
    return done.code, done.out + done.err


@pytest.mark.parametrize("parameters", REFUSED)
def test_what_mlflow_does_not_read_is_refused(parameters: str) -> None:
    code, said = run(parameters)
    assert (code, REFUSED[parameters] in said) == (2, True), said
    assert proj("check", "p").code == 2
    assert proj("run", "p", "-e", "other").code == 0  # another entry point has nothing to do with it


@pytest.mark.parametrize("parameters", WARNED)
def test_the_warnings_of_check_are_told_at_each_run(parameters: str) -> None:
    for _ in range(2):  # the second one remembers the project
        code, said = run(parameters, "echo {lr}", "-P", "lr=5")
        assert code == 0, said
        assert said.startswith("5\n")
        assert WARNED[parameters] in said
    assert WARNED[parameters] not in run(parameters, "echo {lr}", "-e", "other")[1]


def test_a_misspelt_name_in_braces_is_refused_and_an_undeclared_one_told() -> None:
    code, said = run("alpha: {default: 1}", "echo {alhpa}")
    assert code == 2
    assert "{alhpa}, in the command of main, names no parameter" in said
    assert "did you mean {alpha}?" in said
    code, said = run("alpha: {default: 1}", "echo {alpha} {gamma}")
    assert code == 0
    assert "{gamma}, in the command of main, names no parameter" in said
    assert "names no parameter" not in run("alpha: {default: 1}", "echo {alpha} {gamma}", "-P", "gamma=2")[1]
    code, said = run("alpha: {default: 1}", "echo {alpha}", key="paramters")
    assert "'paramters' is no key of the entry point main" in said
    assert "{alpha}, in the command of main, names no parameter" in said


@pytest.mark.parametrize(
    ("option", "words"),
    [("seed", ["--seed", "4"]), ("timeout", ["--timeout", "60"]), ("offline", ["--offline"])],
)
def test_an_option_of_proj_does_not_pass_for_the_parameter_of_its_name(option: str, words: list[str]) -> None:
    parameter = f"{option}: {{default: 1}}"
    told = f"the parameter {option} is not set by it: -P {option}="
    code, said = run(parameter, f"echo {{{option}}}", *words)
    assert (code, said[:2], told in said) == (0, "1\n", True), said
    assert told not in run(parameter, f"echo {{{option}}}", *words, "-P", f"{option}=2")[1]
    assert told not in run("lr: {default: 1}", "echo {lr}", *words)[1]
    assert told not in run(parameter, f"echo {{{option}}}")[1]


def test_what_yaml_made_of_a_file_is_told_beside_what_is_wrong_with_it() -> None:
    make_tree(".", {"p.yaml": "lr: 010\nlr: 011\nn: x\n"})
    code, said = run("lr: {default: a}\n      n: {type: int}", "echo {lr} {n}", "--params-file", "p.yaml")
    assert code == 2
    assert "parameter n: 'x' is not an int" in said
    assert "the key 'lr' is already in line 1" in said
    assert "YAML reads 011 as 9" in said
