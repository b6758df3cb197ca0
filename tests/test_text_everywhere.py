"""Text that is not UTF-8, or steers a terminal, through every way into a store and every way out of it."""

from __future__ import annotations

import csv
import json
import os
import re
import sqlite3
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner import paths
from runner.cli.main import main
from runner.reproduction.bundle import crate
from runner.running.recorded import of
from runner.text.encoding import is_encodable, restored, visible, visible_values
from runner.text.terminal import json_printable, printable
from runner.tracking import artifacts
from runner.tracking.log import encode, read
from runner.tracking.store import Store
from runner.web import report
from tests.cli.records import Program
from tests.helpers import make_tree, proj, some
from tests.servers import Client, World

SURROGATES = [chr(code) for code in range(0xD800, 0xE000)]
# two that are a pair are one letter for JSON
ANY_TEXT = (
    st.text(st.characters(), max_size=20) | st.text("\\xu8fdb{\udcff\ud800\udfff", max_size=12)
).filter(lambda text: not re.search("[\ud800-\udbff][\udc00-\udfff]", text))
ANY_BYTES = st.binary(max_size=12).filter(lambda data: b"\0" not in data)
EVIL = "a\033]0;title\007b\033[2Jc\rd\u202ee\x9b31mf\nrun FORGED finished\n\u2028g"
FORGED = re.compile(r"^ {0,3}run FORGED", re.MULTILINE)  # what is well indented belongs to the line above


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


# ---- the functions


@given(ANY_TEXT)
def test_what_is_visible_can_be_written_and_taken_back(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert visible(shown) == shown
    if is_encodable(text):
        assert shown == text
    else:
        assert restored(shown) == text
    assert visible_values({text: [text, 1, None]}) == {shown: [shown, 1, None]}


def test_every_surrogate_is_another_escape() -> None:
    shown = [visible(each) for each in SURROGATES]
    assert len(set(shown)) == len(SURROGATES)
    assert [restored(each) for each in shown] == SURROGATES
    assert visible(os.fsdecode(b"a\xff\\b")) == r"a\xff\b"


@given(ANY_BYTES)
def test_bytes_are_taken_back(data: bytes) -> None:
    name = os.fsdecode(data)
    assert is_encodable(name) or os.fsencode(restored(visible(name))) == data


@given(ANY_TEXT)
def test_what_is_printed_steers_nothing_and_stays_on_its_line(text: str) -> None:
    shown = printable(text)
    assert not re.search(
        r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown
    )
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
    assert "\033" not in printable(f"\033[31m{text}\033[0m").replace("\033[31m", "").replace("\033[0m", "")
    coloured = printable(f"\033[31m{text}\033[0m", lines=True, colours=True)
    assert not re.search(r"\033(?!\[[0-9;]*m)", coloured)


@given(
    st.recursive(
        ANY_TEXT | st.none() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner)
    )
)
def test_json_says_the_same_by_escapes(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1)
    assert json.loads(json_printable(text)) == json.loads(text)
    assert all(line.isprintable() or re.search(r"[\u00a0\u1680\u2000-\u200d\u202f\u205f\u3000]", line)
               for line in json_printable(text).split("\n"))  # fmt: skip


# ---- ways out


def check(text: str, where: object) -> None:
    text.encode()  # strictly
    assert "bug in proj" not in text, where
    steering = re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", re.sub(r"\033\[[0-9;]*m", "", text))
    assert not steering, (where, text[max(0, steering.start() - 40) : steering.end() + 40])


def leave(program: Program, run_id: str, folder: str) -> dict[str, Any]:
    """Every command that shows a run, and what programs read: CSV, JSON, JSON lines, Parquet, HTML, RO-Crate, index."""
    for words in (
        ("runs",), ("runs", "--csv", "--columns", "run_id,name"), ("show", run_id), ("compare", run_id, run_id, "--all"),
        ("experiments",), ("artifacts", "ls", run_id), ("note", run_id), ("tag", run_id, "a=b"), ("gc", "--dry-run"),
        ("doctor",), ("diff", run_id, run_id), ("export", "--format", "csv", "--columns", "run_id"), (),
    ):  # fmt: skip
        done = program(*words)
        assert done.code in (0, 1), (words, done.err)
        if "csv" in " ".join(words):  # for programs: what it is, and not how it is shown
            done.out.encode()
            continue
        check(done.out + done.err, words)
        assert words[:1] == ("note",) or not FORGED.search(done.out + done.err), words
    for words in (
        ("runs",),
        ("show", run_id),
        ("compare", run_id, run_id, "--all"),
        ("experiments",),
        ("export",),
    ):
        found = program(*words, "--json")
        check(found.out, words)
        json.loads(found.out)
    for kind in ("csv", "json", "jsonl", "parquet"):
        done = program("export", "-o", f"{folder}/x.{kind}")
        assert done.code == 0, done.err
    with open(f"{folder}/x.csv", encoding="utf-8", newline="") as file:
        rows = {row["run_id"]: row for row in csv.DictReader(file)}
    with open(f"{folder}/x.jsonl", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file.read().split("\n") if line]
    from pyarrow import parquet

    table = parquet.read_table(f"{folder}/x.parquet").to_pylist()
    names = {rows[run_id]["name"], *(each["name"] for each in (*lines, *table) if each["run_id"] == run_id)}
    assert len(names) == 1
    store = Store(paths.store())
    recorded = of(store, store.read(run_id))
    report.of_bundle(recorded, ["run/output.log", *recorded.run.artifacts], [])
    crate.describe(recorded, {}).encode()
    store.search()
    for (text,) in sqlite3.connect(f"{store.root}/index.sqlite").execute("SELECT name FROM runs"):
        text.encode()
    return {"name": names.pop(), "tags": store.read(run_id).tags}


def fill(text: str, folder: str) -> str:
    """A run with this text wherever one can stand, written as a run writes it."""
    store = Store(paths.store())
    writer = store.create_run(
        store.ensure_experiment(f"x{text}"), name=f"n{text}", user=f"u{text}", params={f"p{text}": f"v{text}", "d": {text: [text]}},
        tags={f"t{text}": text, "mlflow.note.content": text}, sections={"source": {"uri": text}, "machine": {"host": text}},
        project=f"j{text}", entry_point=f"e{text}", uri=f"i{text}",
    )  # fmt: skip
    with writer:
        writer.metric(f"m{text}", 1.0)
        writer.append(
            {"type": "input", "path": f"in{text}", "digest": "sha256:0", "size": 1},
            {"type": "output", "path": f"out{text}", "digest": "sha256:0", "size": 1},
            {"type": "dataset", "name": text, "digest": text, "source": text},
            {"type": "command", "command": text, "directory": text, "variables": {text: text}},
            {
                "type": "code",
                "commit": text,
                "left_out": [{"path": text, "size": 1, "reason": text}],
                "branch": text,
            },
            {"type": "environment", "kind": "system", "warnings": [text]},
        )
        writer.end("FAILED", exit_code=1, message=text, by=text)
    return writer.run_id


@pytest.mark.parametrize("part", some(range(8), 3))
def test_every_surrogate_leaves_a_store(part: int, program: Program, tmp_path: object) -> None:
    text = "|".join(SURROGATES[part * 256 : (part + 1) * 256])
    run_id = fill(text, str(tmp_path))
    found = leave(program, run_id, str(tmp_path))
    assert found["name"] == f"n{visible(text)}"
    assert Store(paths.store()).read(run_id, exact=True).name == f"n{text}"
    assert program("runs", "--experiment", f"x{text}", "--json").out.count(run_id) >= 1
    done = program("rm", f"n{text}")
    assert done.code == 0, done.err
    assert program("gc", "--yes").code == 0


def test_what_steers_a_terminal_does_not_leave_a_store(
    program: Program, tmp_path: object, monkeypatch: Any
) -> None:
    run_id = fill(EVIL, str(tmp_path))
    leave(program, run_id, str(tmp_path))
    monkeypatch.setattr("runner.cli.output.is_terminal", lambda *given: True)
    monkeypatch.setenv("COLUMNS", "200")
    for words in (
        ("runs",),
        ("show", run_id),
        ("compare", run_id, run_id, "--all"),
        ("experiments",),
        ("rm", run_id),
        ("gc", "--dry-run"),
    ):
        done = program(*words)
        assert done.code == 0, done.err
        check(done.out + done.err, words)
        assert not FORGED.search(re.sub(r"\033\[[0-9;]*m", "", done.out + done.err)), words


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=60), name=ANY_BYTES)
def test_a_log_may_have_any_bytes(data: bytes, name: bytes, program: Program, tmp_path: Any) -> None:
    run_id = fill(os.fsdecode(name), str(tmp_path))
    with open(os.path.join(Store(paths.store()).run_directory(run_id), "events.jsonl"), "ab") as file:
        file.write(data + b'\n{"type":"tag","key":"\xed\xa0\x80","value":"x","time":1}\n')
        file.write(b'{"type":"tag","key":"k","value":"' + data.replace(b"\n", b"") + b'","time":1}\n')
    leave(program, run_id, str(tmp_path))


# ---- ways in: the command line, and files


def test_bytes_of_the_command_line_reach_the_program_and_come_back(tmp_path: object) -> None:
    odd = os.fsdecode(b"a\xff\xc3(\xed\xa0\x80z")
    text = "name: x\nentry_points:\n  main:\n    parameters: {p: {type: string}}\n    outputs: ['*.txt']\n    command: 'printf %s {p} > {p}.txt'\n"
    folder = make_tree(f"{tmp_path}/p", {"MLproject": text})
    words = ["-P", f"p={odd}", "-t", f"t{odd}={odd}", "--run-name", f"n{odd}", "--experiment-name", f"x{odd}"]
    done = proj("run", folder, *words)
    assert done.code == 0, done.err
    store = Store(paths.store())
    (run,) = store.search().runs
    assert run.name == r"na\xff\xc3(\xed\xa0\x80z" == visible(f"n{odd}")
    assert (run.params["p"], run.tags[visible(f"t{odd}")]) == (visible(odd), visible(odd))
    (name,) = run.artifacts
    assert name == visible(f"{odd}.txt")
    for line in (["log", "tag", "--run", run.run_id, f"k{odd}={odd}"], ["log", "param", "--run", run.run_id, f"q{odd}={odd}"],
                 ["log", "metric", "--run", run.run_id, f"m{odd}=1"], ["tag", run.run_id, f"s{odd}={odd}"], ["note", run.run_id, odd],
                 ["rename", run.run_id, f"r{odd}"], ["experiments", "rename", f"x{odd}", f"y{odd}"]):  # fmt: skip
        done = proj(*line)
        assert done.code == 0, (line, done.err)
    run = store.read(run.run_id)
    assert run.tags[visible(f"k{odd}")] == run.tags["mlflow.note.content"] == visible(odd)
    assert run.params[visible(f"q{odd}")] == visible(odd)
    assert [point.value for point in store.history(run.run_id, f"m{odd}").points] == [1.0]
    assert store.search(f"params.p = '{odd}'").runs == (run,)
    # a file with such a name is found by its visible one, and comes back as it was
    assert [each.path for each in artifacts.listing(store, run.run_id)] == [name]
    done = proj("artifacts", "get", run.run_id, name, "-o", f"{tmp_path}/got")
    assert done.code == 0, done.err
    assert os.listdir(os.fsencode(f"{tmp_path}/got")) == [os.fsencode(f"{odd}.txt")]
    assert proj("artifacts", "get", run.run_id, name, "-o", f"{tmp_path}/got").code == 2
    # and the same bytes reach the program again
    done = proj("rerun", run.run_id)
    assert done.code == 0, done.err
    again = store.read(store.resolve("last"), exact=True)
    assert again.params["p"] == odd
    assert list(again.artifacts) == [f"{odd}.txt"]


@pytest.mark.parametrize(
    "command", [["info"], ["check"], ["run", "--help-params"], ["run", "--dry-run"], ["run", "-e", "no"], []]
)
def test_a_project_cannot_steer_the_terminal(
    command: list[str], tmp_path: object, monkeypatch: Any, program: Program
) -> None:
    evil = json.dumps(EVIL + "\udcff")
    text = (
        f"name: {evil}\nunknown{evil[1:-1]!r}: 1\nentry_points:\n  main:\n    description: {evil}\n    parameters:\n"
        f"      lr: {{type: {evil}, default: {evil}, description: {evil}, choices: [{evil}]}}\n      {evil}: {{default: {evil}}}\n"
        f"    command: {evil}\n  {evil}: {{command: {evil}}}\n"
    )
    folder = make_tree(f"{tmp_path}/p", {"MLproject": text})
    plain = make_tree(f"{tmp_path}/q", {"MLproject": f"name: x\nentry_points:\n  main:\n    description: {evil}\n"
                                        f"    parameters: {{lr: {{default: {evil}, description: {evil}}}}}\n    command: 'echo {{lr}}'\n"})  # fmt: skip
    for project in (folder, plain):
        monkeypatch.chdir(project)
        done = program(*command[:1], *([project] if command else []), *command[1:])
        check(done.out + done.err, command)
        assert not FORGED.search(done.out + done.err), (command, done)


# ---- ways in: REST


@pytest.fixture
def client(world: World, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("PROJ_STORE", world.store.root)
    return world.client


def test_every_surrogate_through_rest(
    world: World, client: Client, program: Program, tmp_path: object
) -> None:
    for first in range(0, len(SURROGATES), 512):
        text = "|".join(SURROGATES[first : first + 512])
        experiment = client.ok(
            "experiments/create", {"name": f"x{text[:80]}", "tags": [{"key": "k", "value": text}]}
        )["experiment_id"]
        again = client.post("experiments/create", {"name": f"x{text[:80]}"})
        assert (again.status, again.json["error_code"]) == (400, "RESOURCE_ALREADY_EXISTS")
        found = client.call("GET", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=" + "x")
        assert found.status == 404
        run_id = client.new_run(
            run_name=f"n{text}",
            user_id=f"u{text}",
            experiment_id=experiment,
            tags=[{"key": "k", "value": text}],
        )
        for body in (
            ("runs/set-tag", {"run_id": run_id, "key": "a", "value": text}),
            ("runs/log-parameter", {"run_id": run_id, "key": "p", "value": text}),
            ("runs/log-parameter", {"run_id": run_id, "key": "p", "value": text}),
            ("runs/log-batch", {"run_id": run_id, "params": [{"key": "p", "value": text}], "tags": [{"key": "c", "value": text}]}),
            ("experiments/set-experiment-tag", {"experiment_id": experiment, "key": "k", "value": text}),
            ("runs/log-inputs", {"run_id": run_id, "datasets": [{"dataset": {"name": text[:80], "digest": "d", "source_type": "x", "source": text}}]}),
            ("runs/update", {"run_id": run_id, "run_name": f"n{text}"}),
        ):  # fmt: skip
            assert client.post(*body).status == 200, body
        run = client.run(run_id)
        assert run["info"]["run_name"] == f"n{visible(text)}"
        assert {each["key"]: each["value"] for each in run["data"]["params"]} == {"p": visible(text)[:6000]}
        search = {
            "experiment_ids": [experiment],
            "filter": f"tags.a = '{text[:50]}' or attributes.run_name = 'n{text}'",
        }
        assert client.post("runs/search", search).status in (200, 400)
        leave(program, run_id, str(tmp_path))


def test_what_is_nested_too_deep_is_refused_or_skipped(world: World) -> None:
    deep = {"type": "tag", "key": "k", "value": "\ud800 https://u:p@h"}
    for depth in (100, 400, 900, 5000):
        text = json.dumps(deep)[:-1] + ', "x": ' + "[" * depth + "]" * depth + "}"
        body = text.replace('"type"', '"run_id"').replace('"tag"', f'"{world.run_id}"').encode()
        answer = world.client.call(
            "POST", "/api/2.0/mlflow/runs/set-tag", body, {"Content-Type": "application/json"}
        )
        assert answer.status in (200, 400), answer
        with open(os.path.join(world.store.run_directory(world.run_id), "events.jsonl"), "ab") as file:
            file.write(text.encode() + b"\n")
        assert world.store.read(world.run_id).name == "main"
        assert len(world.store.search().runs) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=40), path=ANY_BYTES)
def test_random_bytes_through_rest(data: bytes, path: bytes, world: World) -> None:
    from urllib.parse import quote

    client = world.client
    body = b'{"run_id": "' + world.run_id.encode() + b'", "key": "k", "value": "' + data + b'"}'
    json_body = {"Content-Type": "application/json"}
    assert client.call("POST", "/api/2.0/mlflow/runs/set-tag", body, json_body).status in (200, 400)
    assert client.call("POST", "/api/2.0/mlflow/runs/set-tag", data, json_body).status in (200, 400)
    for query in (quote(path), path.hex(), "%ED%A0%80%FF"):
        found = client.call("GET", f"/api/2.0/mlflow/artifacts/list?run_id={world.run_id}&path={query}")
        assert found.status in (200, 400)
        found.body.decode()
    answer = client.get("runs/get", run_id=world.run_id)
    assert answer.status == 200
    answer.body.decode()
    for event, _ in read(os.path.join(world.store.run_directory(world.run_id), "events.jsonl")):
        encode(event).decode()


def test_a_file_whose_name_is_not_utf_8_through_rest(world: World, client: Client) -> None:
    from urllib.parse import quote

    folder = make_tree(
        os.path.join(world.store.run_directory(world.run_id), "artifacts"),
        {os.fsdecode(b"d\xff/f\xfe.txt"): "inside"},
    )
    assert os.listdir(os.fsencode(folder)) == [b"d\xff"]
    (top,) = client.get("artifacts/list", run_id=world.run_id).json["files"]
    assert top == {"path": r"d\xff", "is_dir": True}
    (file,) = client.get("artifacts/list", run_id=world.run_id, path=top["path"]).json["files"]
    assert file["path"] == r"d\xff/f\xfe.txt"
    for place in (f"/get-artifact?run_id={world.run_id}&path={quote(file['path'])}",
                  f"/api/2.0/mlflow-artifacts/artifacts/0/{world.run_id}/artifacts/{quote(file['path'])}"):  # fmt: skip
        answer = client.call("GET", place)
        assert (answer.status, answer.body) == (200, b"inside"), place


# ---- terminals


def test_whatever_reaches_the_terminal_passes_the_guard(tmp_path: object) -> None:
    """Also from a library, or by a line that forgot to make its text printable."""
    import pty

    script = (
        "import sys\nfrom runner.cli.main import prepare_standard_streams\nprepare_standard_streams()\n"
        f"sys.stdout.write('\\033[31mred\\033[0m ' + {EVIL!r}); sys.stderr.write({EVIL!r}); sys.stdout.flush()\n"
    )
    ours, theirs = pty.openpty()
    child = subprocess.Popen([sys.executable, "-c", script], stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    seen = b""
    try:
        while data := os.read(ours, 4096):
            seen += data
    except OSError:  # Linux: the other side is closed
        pass
    child.wait()
    os.close(ours)
    text = seen.decode().replace("\r\n", "\n")
    assert "\033[31mred\033[0m" in text
    check(text, "terminal")


def test_a_terminal_that_only_has_ascii(tmp_path: object) -> None:
    """No text is a bug in proj (LC_ALL=POSIX without the UTF-8 mode)."""
    text = "name: größe\nentry_points:\n  main:\n    description: 漢字\n    parameters: {ü: {default: é}}\n    command: 'echo {ü}'\n"
    folder = make_tree(f"{tmp_path}/größe", {"MLproject": text})
    Store(paths.store()).create_run(name="größe 漢字 \udcff").end("FINISHED")
    for words in (
        ("runs",),
        ("show", "last"),
        ("runs", "--json"),
        ("show", "no-such-größe"),
        ("check", folder),
        ("info", folder),
        ("run", folder, "--help-params"),
        ("run", folder, "-P", "ü=ß", "--run-name", "ñ", "-t", "ç=漢"),
        ("show", "ñ"),
        ("diff", "last", "last"),
        ("compare", "last", "last", "--all"),
        ("logs", "last"),
        ("info", f"{tmp_path}/nirgends-größe"),
        ("bundle", "last", "-o", f"{tmp_path}/ü.zip", "--no-packages"),
        ("export", "--format", "csv"),
    ):
        done = proj(*words, LC_ALL="POSIX", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="")
        assert done.code in (0, 2, 125), (words, done.err)
        assert "bug" not in done.err


def test_in_process_main_is_what_is_tested() -> None:
    assert main(["--version"]) == 0
