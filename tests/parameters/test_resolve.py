"""Values and declarations become typed values and a command; wrong ones an error that says what is allowed."""

from __future__ import annotations

import os
import subprocess
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.errors import InputError
from runner.parameters import resolve as parameters
from runner.parameters import template
from runner.parameters.resolve import Resolved
from runner.values import EntryPoint, Json, Parameter
from tests.helpers import examples, make_tree

ANY_TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20)


def resolve(command: str, *declared: Parameter, directory: str = "/", **given_values: Json) -> Resolved:
    return parameters.resolve(EntryPoint("main", command, declared), given_values, directory=directory)


def value(kind: str, text: Json, **fields: Any) -> Json:
    return resolve("a {x}", Parameter("x", kind, **fields), x=text).values["x"]


def refused(command: str, *declared: Parameter, **given_values: Json) -> str:
    with pytest.raises(InputError) as caught:
        resolve(command, *declared, **given_values)
    assert caught.value.exit_code == 2
    return caught.value.message


def words(command: str, **variables: str) -> list[str]:
    """What reaches the program `show` when bash runs a command."""
    done = subprocess.run(
        ["/bin/bash", "-c", "show() { printf '%s\\0' \"$@\"; }; export -f show\n" + command],
        capture_output=True,
        env={"PATH": "", "LC_ALL": "C.UTF-8", **variables},
        timeout=20,
    )
    assert not done.stderr, done.stderr.decode()
    return done.stdout.decode().split("\0")[:-1]


# ---- -P and --params-file --------------------------------------------------------------------------------


def test_assignments() -> None:
    assert parameters.assignments(["a=1", "b=", "c=x y"]) == {"a": "1", "b": "", "c": "x y"}


def test_complaint_3346_a_value_with_an_equals_sign() -> None:
    assert parameters.assignments(["url=http://h/?a=b&c=d"]) == {"url": "http://h/?a=b&c=d"}


@pytest.mark.parametrize(
    ("given_texts", "message"),
    [
        (["a"], "there is no = in it"),
        (["=1"], "there is no name in it"),
        (["a=1", "a=2"], "-P a is given twice"),
    ],
)
def test_assignments_that_are_refused(given_texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parameters.assignments(given_texts)


@pytest.mark.parametrize(
    ("name", "text"),
    [("p.yaml", "lr: 0.1\nn: 3\ns: 'no'\nl: [1, a]\nb: true\n"), ("p.json", '{"lr": 0.1, "n": 3, "s": "no", "l": [1, "a"],\n\t"b": true}')],
)  # fmt: skip
def test_complaint_3959_values_from_a_file(tmp_path: Any, name: str, text: str) -> None:
    make_tree(tmp_path, {name: text})
    loaded = parameters.load_file(str(tmp_path / name), EntryPoint("main", ""))[0]
    assert loaded == {"lr": 0.1, "n": 3, "s": "no", "l": [1, "a"], "b": True}
    found = resolve("a {lr} {n} {s} {l} {b}", *(Parameter(each) for each in loaded), **loaded)
    assert (
        found.command == "a 0.1 3 no '[1, '\"'\"'a'\"'\"']' True"
    )  # as Python writes it, which MLflow does too
    assert found.values == loaded


@pytest.mark.parametrize(
    ("text", "message"),
    [("[1]", "a mapping is expected"), ("a: [", "a value is expected"), ("{", "a value is|not JSON")],
)
def test_files_that_are_refused(tmp_path: Any, text: str, message: str) -> None:
    make_tree(tmp_path, {"p.yaml": text})
    with pytest.raises(InputError, match=message):
        parameters.load_file(str(tmp_path / "p.yaml"), EntryPoint("main", ""))
    with pytest.raises(InputError, match="No such file"):
        parameters.load_file(str(tmp_path / "q.yaml"), EntryPoint("main", ""))


def test_an_empty_value_in_a_file_is_no_value() -> None:
    assert resolve("a {x}", Parameter("x", "int", 3, True), x=None).values == {"x": 3}


# ---- types -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("string", "a b", "a b"),
        ("string", "1", "1"),
        ("int", "5", 5),
        ("int", "-5", -5),
        ("int", "+05", 5),
        ("int", 7, 7),
        ("float", "1e-3", 0.001),
        ("float", "1", 1.0),
        ("float", ".5", 0.5),
        ("float", "nan", "nan"),
        ("float", "-inf", "-inf"),
        ("bool", "true", True),
        ("bool", "No", False),
        ("bool", "1", True),
        ("bool", False, False),
        ("uri", "s3://b/k", "s3://b/k"),
        ("uri", "runs:/1/model", "runs:/1/model"),
        ("list", "a, b", ["a", "b"]),
        ("list", "[1, 2]", [1, 2]),
        ("list", "[a, 'b']", ["a", "b"]),
        ("list", "", []),
        ("list", "1", ["1"]),
        ("", "7", "7"),
        ("", 7, 7),
    ],
)
def test_complaint_3743_values_are_recorded_as_their_type(kind: str, text: Json, expected: Json) -> None:
    found = value(kind, text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(("int", text) for text in ("", "a", "1.0", "1e3", "0x1", "1_000", " 1", "٣", True, 1.5)),
        *(("float", text) for text in ("", "a", "1,5", "0x1", "1_0.0", " 1", True)),
        *(("bool", text) for text in ("", "maybe", "2")),
        *(("uri", text) for text in ("", "file.csv", "/a/b", ":x", "1a://b")),
        ("list", "[1"),
    ],
)
def test_values_of_another_type_are_refused(kind: str, text: Json) -> None:
    assert refused("a {x}", Parameter("x", kind), x=text).startswith(f"parameter x: {text!r} is not a")


@pytest.mark.parametrize(
    ("fields", "text", "message"),
    [
        ({"min": 0.0, "max": 1.0}, "2", "parameter x: '2' is not a float from 0 to 1"),
        ({"min": 0.0}, "-1", "parameter x: '-1' is not a float, 0 or more"),
        ({"max": 12345678.0}, "1e9", "parameter x: '1e9' is not a float, 12345678 or less"),
        ({"max": 1.5}, "2", "parameter x: '2' is not a float, 1.5 or less"),
        ({"max": 1.5}, "nan", "parameter x: 'nan' is not a float, 1.5 or less"),
        ({"min": 0.0, "max": 1.0}, "a", "parameter x: 'a' is not a float from 0 to 1"),
        ({"choices": (0.1, 0.2)}, "0.3", "parameter x: '0.3' is not one of 0.1, 0.2 (float)"),
    ],
)
def test_ranges_and_choices(fields: dict[str, Any], text: str, message: str) -> None:
    assert refused("a {x}", Parameter("x", "float", **fields), x=text) == message


def test_choices_are_compared_by_value() -> None:
    assert value("float", "1e-1", choices=(0.1, 0.2)) == 0.1
    assert value("", "1", choices=(1, 2)) == "1"


def test_complaint_2820_the_text_reaches_the_program_as_it_was_given() -> None:
    found = resolve("a {x} {y}", Parameter("x", "float"), Parameter("y", "bool"), x="5", y="yes")
    assert found.command == "a 5 yes"
    assert (found.values, found.texts) == ({"x": 5.0, "y": True}, {"x": "5", "y": "yes"})


def test_a_default_is_written_as_mlflow_writes_it() -> None:
    declared = [
        Parameter("a", "bool", True, True),
        Parameter("b", "float", 1e-5, True),
        Parameter("c", "list", [1, "x"], True),
        Parameter("d", "string", "", True),
        Parameter("e", "float", "1e-4", True),  # YAML 1.1 reads 1e-4 as a text
        Parameter("f", "int", "none", True),  # MLflow checks no type: neither is a default held to it
    ]
    found = resolve("x {a} {b} {c} {d} {e} {f}", *declared)
    assert found.command == "x True 1e-05 '[1, '\"'\"'x'\"'\"']' '' 1e-4 none"
    assert found.values == {"a": True, "b": 1e-05, "c": [1, "x"], "d": "", "e": 0.0001, "f": "none"}


def test_all_that_is_missing_or_wrong_is_told_at_once_and_soon() -> None:
    began = time.process_time()
    declared = [
        Parameter("lr", "float", min=0, max=1),
        Parameter("data", "path", note="MLproject:3:5: 'defualt' is no key; did you mean 'default'?"),
        Parameter("n", "int"),
    ]
    message = refused("a {lr} {data} {n}", *declared, n="x")
    assert message.splitlines() == [
        "parameter lr needs a value: a float from 0 to 1",
        "parameter data needs a value: a path (MLproject:3:5: 'defualt' is no key; did you mean 'default'?)",
        "parameter n: 'x' is not an int",
    ]
    assert time.process_time() - began < 0.2


# ---- paths and URIs --------------------------------------------------------------------------------------


def test_a_path_must_be_there_and_is_absolute_in_the_command(tmp_path: Any) -> None:
    make_tree(tmp_path, {"my data.csv": "", "project/default.csv": ""})
    found = resolve("a {x}", Parameter("x", "path"), directory=str(tmp_path), x="my data.csv")
    path = str(tmp_path / "my data.csv")
    assert (found.command, found.texts, found.inputs) == (f"a '{path}'", {"x": path}, (path,))
    assert found.values == {"x": "my data.csv"}  # recorded as it was given
    uri = (tmp_path / "my data.csv").as_uri()
    assert resolve("a {x}", Parameter("x", "path"), directory="/", x=uri).texts == {"x": path}
    assert "no file or folder 'b.csv' in /" in refused("a {x}", Parameter("x", "path"), x="b.csv")


def test_a_default_path_is_one_of_the_project(tmp_path: Any) -> None:
    make_tree(tmp_path, {"project/a.csv": "", "a.csv": "", "b.csv": ""})
    declared = (Parameter("x", "path", "a.csv", True), Parameter("y", "path", "b.csv", True))
    found = parameters.resolve(
        EntryPoint("main", "p {x} {y}", declared),
        {},
        directory=str(tmp_path),
        project=str(tmp_path / "project"),
    )
    assert found.texts == {"x": str(tmp_path / "project/a.csv"), "y": str(tmp_path / "b.csv")}
    assert found.values == {"x": "a.csv", "y": "b.csv"}


def test_a_remote_path_is_a_download_to_come(tmp_path: Any) -> None:
    point = EntryPoint("main", "a {y} {x}", (Parameter("x", "path"), Parameter("y")))
    uri = "https://host/a/data.csv?token=1"
    found = parameters.resolve(point, {"x": uri, "y": "1"}, directory="/", storage=str(tmp_path))
    ((_, local),) = found.downloads
    assert os.path.relpath(local, tmp_path).endswith("/data.csv")
    assert (found.command, found.downloads, found.inputs) == (f"a 1 {local}", ((uri, local),), (uri,))
    others = [
        parameters.resolve(point, {"x": each, "y": "1"}, directory="/", storage=str(tmp_path)).downloads[0][1]
        for each in (uri, "https://other/data.csv", "https://other/..", "runs:/1/model/")
    ]
    assert others[0] == local
    assert others[1] != local
    assert [os.path.basename(each) for each in others] == ["data.csv", "data.csv", "data", "model"]


def test_a_uri_is_an_input() -> None:
    found = resolve("a {x}", Parameter("x", "uri"), x="s3://b/a b")
    assert (found.command, found.inputs) == ("a 's3://b/a b'", ("s3://b/a b",))


# ---- the command -----------------------------------------------------------------------------------------


@settings(max_examples=examples(150), deadline=None)
@given(ANY_TEXT, ANY_TEXT)
@example("$(show injected)", "; show injected")
@example("'\"\n\\", "`show injected`")
@example("", "-e")
def test_complaint_6811_any_text_arrives_unchanged(first: str, second: str) -> None:
    found = parameters.resolve(
        EntryPoint("main", "show {x} --y={y} '{x}' \"{y}\"", (Parameter("x"), Parameter("y", "string"))),
        {"x": first, "y": second, "other": first},
        directory="/",
        extra=[second, first],
    )
    assert words(found.command) == [first, f"--y={second}", first, second, "--other", first, second, first]
    assert found.values == {"x": first, "y": second, "other": first}


def test_the_arguments_of_xargs_and_the_bytes_of_file_names() -> None:
    name = os.fsdecode(b"caf\xe9")
    assert resolve("show {x}", Parameter("x"), x=name).command == f"show '{name}'"


def test_a_command_that_the_system_would_not_take() -> None:
    assert "the longest value is that of x" in refused(
        "a {x} {y}", Parameter("x"), Parameter("y"), x="é" * 70_000, y="1"
    )
    assert len(words(resolve("show {x}", Parameter("x"), x="x" * 130_000).command)[0]) == 130_000


def test_nothing_can_hold_a_nul() -> None:
    assert "NUL" in refused("a {x}", Parameter("x"), x="a\0b")
    assert "NUL" in refused("a\0", Parameter("x"), x="a")


@pytest.mark.parametrize(
    "command",
    [
        "awk '{print $1}' ${HOME}/a {nothing} {}",
        'python a.py --json \'{"a": {"b": 1}, "c": {}}\'',
        "echo ${x:-{y}} $((1)) }{ {a,b} {1..3}",
        "python a.py {alpha}}",
    ],
)
def test_braces_that_name_no_parameter_are_left_alone(command: str) -> None:
    assert resolve(command, Parameter("z"), z="1").command == command


@pytest.mark.parametrize("command", ["a {{x}} {x}", "awk '{{print $1}}' {x}", "{{{x}}}", "a }} {{ {x}"])
def test_double_braces_are_those_of_format(command: str) -> None:
    assert resolve(command, Parameter("x"), x="1").command == command.format(x="1")


@settings(max_examples=examples(300), deadline=None)
@given(st.text("{}ab x", max_size=12))
def test_what_format_takes_is_read_as_format_reads_it(command: str) -> None:
    try:
        expected = command.format(a="1", b="2")
    except (KeyError, ValueError, IndexError, AttributeError):
        return
    parsed = template.parse(command, {"a", "b"})
    assert template.render(parsed, lambda name, layers: {"a": "1", "b": "2"}[name]) == expected


def test_complaint_4390_the_command_decides_how_options_are_written() -> None:
    found = resolve(
        "python a.py model.lr={lr} 'name={name}'", Parameter("lr"), Parameter("name"), lr="0.1", name="a b"
    )
    assert words(found.command.replace("python", "show")) == ["a.py", "model.lr=0.1", "name=a b"]


def test_names_with_dashes_and_dots() -> None:
    assert resolve("a {n-class} {a.b}", Parameter("n-class"), Parameter("a.b"), **{"n-class": "1", "a.b": "2"}).command == "a 1 2"  # fmt: skip


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("p --lr {x} -n {n}", "p -n 1"),
        ("p -n {n} --lr {x}", "p -n 1"),
        ("p --lr={x} -n {n}", "p -n 1"),
        ('p --lr "{x}" -n {n}', "p -n 1"),
        ("p --lr='{x}' -n {n}", "p -n 1"),
        ("p lr={x} n={n}", "p n=1"),
        ("p -n {n} {x}", "p -n 1"),
        ("p {x} {n}", "p 1"),
        ("p \\\n  --lr {x} \\\n  -n {n}", "p \\\n \\\n  -n 1"),
        ("p --lr \\\n  {x} -n {n}", "p -n 1"),
        ("p --dir {n}/{x}", "p --dir 1/"),
        ("p $(echo {x}) {n}", "p $(echo ) 1"),
        ("p {n} --flag # {x}", "p 1 --flag # "),
        ("p --a=b {x} {n}", "p --a=b 1"),
        ("p {n} --opt {x}; q --opt {x} | r", "p 1 ; q | r"),
        ("p --lr {x} --lr2 {x} {n}", "p 1"),
    ],
)
def test_complaint_2236_an_optional_without_a_value_is_left_out_with_its_option(
    command: str, expected: str
) -> None:
    found = resolve(command, Parameter("x", "float", required=False), Parameter("n"), n="1")
    assert found.command == expected
    assert found.values == {"n": "1"}
    assert (
        "0.5"
        in resolve(command, Parameter("x", "float", required=False), Parameter("n"), n="1", x="0.5").command
    )


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("p a.py\n  --x 1\n  --y 2\n", "p a.py   --x 1   --y 2\n"),
        ("p a.py \\\n  --x 1\n  --y 2", "p a.py \\\n  --x 1   --y 2"),
        ("p a.py\n  data/*.csv\n  -m 1\n", "p a.py   data/*.csv   -m 1\n"),
        ("p a.py\n\n  -m 1\n", "p a.py    -m 1\n"),
        ("p a.py\nq b.py\n", "p a.py\nq b.py\n"),
        ("p a.py # all of it\n  --x 1\n", "p a.py # all of it\n  --x 1\n"),
        ("p -c 'a\n--x'\n", "p -c 'a\n--x'\n"),
        ("cat <<END\na\n--x\nEND\n", "cat <<END\na\n--x\nEND\n"),
        ("for i in 1 2; do\n  p a.py\n  --x $i\ndone", "for i in 1 2; do\n  p a.py   --x $i\ndone"),
        ("cat <<END\n--x\nEND\n  --y", "cat <<END\n--x\nEND   --y"),
        ("if a\nthen\n  --x\nfi", "if a\nthen\n  --x\nfi"),
        ("p a &&\n  q b\n  r c", "p a &&\n  q b\n  r c"),
    ],
)
def test_lines_that_clearly_go_on_are_joined(command: str, expected: str) -> None:
    assert resolve(command).command == expected


# ---- undeclared parameters -------------------------------------------------------------------------------


def test_undeclared_ones_are_passed_on_in_the_order_given() -> None:
    found = resolve("p {a}", Parameter("a"), z="1", a="2", y="x y")
    assert found.command == "p 2 --z 1 --y 'x y'"
    assert found.values == {"a": "2", "z": "1", "y": "x y"}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("show {a}\n", ["1", "--z", "2"]),
        ("show {a}\n\n", ["1", "--z", "2"]),
        ("show {a} \\\n  b \\\n", ["1", "b", "--z", "2"]),
        ("show {a} 'b\n'", ["1", "b\n", "--z", "2"]),
        ("show b {a}   \n", ["b", "1", "--z", "2"]),
        ("show b \\\\\n", ["b", "\\", "--z", "2"]),
    ],
)
def test_undeclared_ones_follow_the_last_line(command: str, expected: list[str]) -> None:
    """A block of YAML ends with a line end, after which MLflow's bash takes `--z 2` for a command."""
    assert words(resolve(command, Parameter("a"), a="1", z="2").command) == expected


def test_a_here_document_keeps_its_end() -> None:
    command = "show <<END\nx\nEND\n"
    assert resolve(command, z="2").command == command + " --z 2"


@pytest.mark.parametrize("name", ["a b", "a;b", "$(a)", "-a", "", ".a", "a\nb", "a=b"])
def test_complaint_23181_odd_names_are_refused(name: str) -> None:
    assert "is no name that can be passed on" in refused("p", **{name: "1"})


@pytest.mark.parametrize(
    "name",
    ["learning-rate", "learning_rat", "Learning_Rate", "leraning_rate", "learningrate", "rate_learning"],
)
def test_a_name_close_to_a_declared_one_is_a_mistake(name: str) -> None:
    declared = Parameter("learning_rate", "float", 0.1, True)
    assert f"no parameter {name}; did you mean learning_rate?" in refused(
        "p {learning_rate}", declared, **{name: "1"}
    )
    # but not when the declared one is given as well
    assert (
        resolve("p {learning_rate}", declared, learning_rate="2", **{name: "1"}).command == f"p 2 --{name} 1"
    )


@pytest.mark.parametrize(("declared", "name"), [("seed", "sede"), ("min", "mni")])
def test_letters_that_changed_places(declared: str, name: str) -> None:
    assert f"did you mean {declared}?" in refused(
        f"p {{{declared}}}", Parameter(declared, "", 1, True), **{name: "1"}
    )


@pytest.mark.parametrize(
    ("declared", "name"), [("rl", "lr"), ("param1", "param2"), ("alpha", "beta"), ("lr", "lr2"), ("x", "y")]
)
def test_names_that_are_not_close(declared: str, name: str) -> None:
    assert resolve("p", Parameter(declared, "", 1, True), **{name: "1"}).command == f"p --{name} 1"


def test_what_the_command_asks_for_need_not_be_declared() -> None:
    found = resolve("python a.py --data {data} ${HOME}", data="a b", HOME="x")
    assert found.command == "python a.py --data 'a b' ${HOME} --HOME x"


def test_complaint_6594_extra_arguments() -> None:
    point = EntryPoint("main", "p {a}", (Parameter("a"),))
    found = parameters.resolve(point, {"a": "1", "b": "2"}, directory="/", extra=["--flag", "x y", "--b"])
    assert found.command == "p 1 --b 2 --flag 'x y' --b"


# ---- secrets ---------------------------------------------------------------------------------------------


@settings(max_examples=examples(60), deadline=None)
@given(ANY_TEXT.filter(lambda text: not text or len(text.strip()) >= 4))
@example("$(show injected)\n'\"")
def test_complaint_6915_a_secret_reaches_the_program_and_nothing_else(text: str) -> None:
    command = 'show {key} --key={key} \'{key}\' "{key}" "$(printf %s. {key})"; bash -c \'show {key}\'; bash -c "show {key}" # {key}'
    found = parameters.resolve(
        EntryPoint("main", command, (Parameter("key", "string", secret=True),)), {"key": text}, directory="/"
    )
    assert found.secrets == ("key",)
    assert found.variables == {"PROJ_SECRET_KEY": text}
    assert found.values == found.texts == {}
    arrived = [text, f"--key={text}", text, text, f"{text}.", text, text]
    bash = "/bin/bash"
    assert words(found.command.replace("bash -c", f"{bash} -c"), **found.variables) == arrived
    assert found.shown.startswith("show *** --key=*** '***' \"***\"")


def test_a_secret_is_in_no_error() -> None:
    secret = Parameter("key", "int", secret=True)
    assert refused("p {key}", secret, key="s3cret") == "parameter key: the value is not an int"
    assert "s3cret" not in refused("p $(({key}))", Parameter("key", secret=True), key="s3cret")
    assert "s3cret" not in refused("p {key}", Parameter("key", "path", secret=True), key="s3cret")


def test_a_secret_uri_is_no_input() -> None:
    found = resolve(
        "p {a} {b}", Parameter("a", "uri", secret=True), Parameter("b", "uri"), a="s3://key@h", b="s3://b"
    )
    assert found.inputs == ("s3://b",)


def test_two_secrets_have_two_variables() -> None:
    found = resolve("p {a-b} {a_b}", Parameter("a-b", secret=True), Parameter("a_b", secret=True), **{"a-b": "first", "a_b": "second"})  # fmt: skip
    assert found.variables == {"PROJ_SECRET_A_B": "first", "PROJ_SECRET_A_B_": "second"}
    assert words(found.command.replace("p ", "show "), **found.variables) == ["first", "second"]


@pytest.mark.parametrize("text", ["a", "abc", " ", "        ", " abc "])
def test_a_secret_that_is_too_short_to_be_masked_is_refused(text: str) -> None:
    message = refused("p {key}", Parameter("key", "string", secret=True), key=text)
    assert message.startswith("parameter key: a secret needs 4 characters")
    assert "secret: true" in message


def test_complaint_1945_a_bool_reaches_the_command_as_given() -> None:
    assert resolve("p --flag {x}", Parameter("x", "bool"), x="true").command == "p --flag true"


def test_what_yaml_makes_of_a_value_in_a_file_is_told(tmp_path: Any) -> None:
    text = "answer: no\nversion: 3.10\nlr: 0.10\nfast: no\nn: 010\nquoted: '010'\nplain: 3.5\nn: 017\nfree: 1_0\n"
    (tmp_path / "p.yaml").write_text(text)
    declared = {
        "answer": "string",
        "version": "string",
        "lr": "float",
        "fast": "bool",
        "n": "int",
        "plain": "string",
    }
    entry = EntryPoint("main", "", tuple(Parameter(name, kind) for name, kind in declared.items()))
    values, warnings = parameters.load_file(str(tmp_path / "p.yaml"), entry)
    assert values["n"] == 15
    assert warnings == [
        "p.yaml:8:1: the key 'n' is already in line 5; this later one is used",
        "p.yaml:1:9: answer: YAML reads no as False; put quotes around it if no is meant",
        "p.yaml:2:10: version: YAML reads 3.10 as 3.1; put quotes around it if 3.10 is meant",
        "p.yaml:8:4: n: YAML reads 017 as 15 (base 8); put quotes around it if 017 is meant",
        "p.yaml:9:7: free: YAML reads 1_0 as 10; put quotes around it if 1_0 is meant",
    ]
