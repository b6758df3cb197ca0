"""`proj models`: what each command does to the registry, and what it says; and every line of two pages."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

import pytest

from runner import paths
from runner.tracking import artifacts, registry
from runner.tracking.store import Store
from tests.cli.records import Program, make_run
from tests.helpers import make_tree
from tests.servers import Start


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


def run_with_model(name: str, auc: float, weights: str = "1", **more: str) -> str:
    run_id = make_run(name, metrics={"auc": [auc]}, params={"lr": auc})
    signature = "signature: {inputs: '[]', outputs: '[]'}\n"
    files = {"model/MLmodel": f"flavors: {{}}\n{signature}", "model/weights": weights, **more}
    with tempfile.TemporaryDirectory() as folder, Store(paths.store()).open_run(run_id) as writer:
        make_tree(folder, files)
        for each in {path.partition("/")[0] for path in files}:
            artifacts.put(writer, os.path.join(folder, each))
    return run_id


@pytest.fixture
def credit(program: Program) -> Program:
    """A registered model with three versions."""
    for number, auc in enumerate((0.7, 0.8, 0.9), 1):
        run_with_model(f"run{number}", auc, str(number))
        assert program("models", "register", f"run{number}", "credit").out == f"credit/{number}\n"
    return program


def aliases() -> dict[str, int]:
    model = registry.get(paths.store(), "credit")
    return {name: version.number for name in model.aliases if (version := model.aliased(name)) is not None}


def test_registering(credit: Program) -> None:
    run_with_model("two", 0.5, **{"other/MLmodel": "flavors: {}"})
    refused = credit("models", "register", "two", "credit")
    assert (refused.code, "has 2 models" in refused.err, "is the first of them" in refused.err) == (
        2,
        True,
        True,
    )
    done = credit.json("models", "register", "two", "credit", "--path", "other", "-t", "a=b")
    assert (done["version"], done["source"].startswith("runs:/")) == (4, True)
    assert credit.json("models", "register", "credit/1", "other")["source"] == "models:/credit/1"
    make_run("none")
    assert "has no model" in credit("models", "register", "none", "credit").err
    assert credit("models", "register", "two", "a/b", "--path", "other").code == 2
    shown = credit.json("models", "show", "credit/4")
    assert (shown["tags"], shown["run_id"] != "", shown["problem"]) == ({"a": "b"}, True, "")
    listed = credit.json("models")
    assert [(each["name"], each["latest"]) for each in listed] == [("credit", 4), ("other", 1)]
    assert credit.json("models", "ls", "--filter", "name LIKE 'o%'")[0]["name"] == "other"


def test_aliases_and_stages(credit: Program) -> None:
    for number in ("1", "2", "3"):
        assert credit("models", "alias", "credit", "champion", number, "-m", f"now {number}").code == 0
    assert credit("models", "alias", "credit", "champion").out == "credit/3\n"
    assert "champion: 3 -> 2" in credit("models", "rollback", "credit@champion").out
    assert "champion: 2 -> 1" in credit("models", "rollback", "credit@champion").out
    assert "led to no version before" in credit("models", "rollback", "credit@champion").err
    for number, before in (("3", 1), ("2", 3)):  # led there again, it is led back again
        assert credit("models", "alias", "credit", "champion", number).code == 0
        assert f"champion: {number} -> {before}" in credit("models", "rollback", "credit@champion").out
        assert credit("models", "alias", "credit", "champion", number).code == 0
    assert aliases() == {"champion": 2}
    assert credit("models", "stage", "credit/2", "production").code == 0
    assert credit("models", "stage", "credit@champion", "Production", "--archive").code == 0
    assert credit("models", "show", "credit/Production").code == 0
    assert credit("models", "alias", "credit", "champion", "--remove").code == 0
    for words, said in (
        (("alias", "credit", "latest", "1"), "reserved"),
        (("alias", "credit", "a b", "1"), "cannot be an alias"),
        (("alias", "credit", "a", "9"), "no version credit/9"),
        (("alias", "credit", "a"), "no alias 'a'"),
        (("stage", "credit/1", "Prod"), "no stage 'Prod'"),
        (("register", "run1", ".."), "cannot be the name"),
        (("rename", "credit", "n" * 257), "cannot be the name"),
        (("show", "kredit"), "there are credit"),
        (("rollback", "credit"), "names no alias"),
        (("diff", "credit/1"), "two versions"),
    ):
        done = credit("models", *words)
        assert (done.code, said in done.err) == (2, True), done.err


def test_what_is_said_and_the_history(credit: Program) -> None:
    credit("models", "tag", "credit/1", "team=x")
    credit("models", "tag", "credit", "owner=me")
    assert credit.json("models", "tag", "credit/1") == {"team": "x"}
    credit("models", "tag", "credit/1", "--remove", "team")
    credit("models", "note", "credit/1", "the first")
    assert credit("models", "note", "credit/1").out == "the first\n"
    credit("models", "comment", "credit/1", "looks", "good")
    credit("models", "rm", "credit/1", "-m", "too old")
    assert credit("models", "show", "credit/1").code == 2
    assert credit("models", "restore", "credit/1").code == 0
    credit("models", "rename", "credit", "loans")
    said = credit.json("models", "history", "loans/1")
    assert [each["what"].split(" ")[0] for each in said] == [
        *("registered", "tagged", "took", "described", "commented", "deleted", "restored")
    ]
    assert [each["why"] for each in said if each["kind"] == "delete"] == ["too old"]
    assert all(each["by"] for each in said)
    lines = credit("models", "events", "--json").out.splitlines()
    assert len(lines) == 12
    first = json.loads(lines[0])
    assert (first["name"], first["kind"]) == ("loans", "registered-model")
    assert len(credit("models", "events", "--after", first["op"]).out.splitlines()) == 11
    credit("models", "rm", "loans")
    assert credit.json("models") == []
    assert credit("models", "restore", "loans").code == 0


def test_following_what_happens(credit: Program) -> None:
    """A CI job without HTTP: each operation once, as it comes."""
    argv = [sys.executable, "-m", "runner", "models", "events", "--follow", "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        seen = [json.loads(follower.stdout.readline()) for _ in range(4)]
        assert credit("models", "alias", "credit", "champion", "2").code == 0
        seen.append(json.loads(follower.stdout.readline()))
        follower.terminate()
    assert [each["kind"] for each in seen] == ["registered-model", "version", "version", "version", "alias"]
    assert seen[-1]["version"] == "2"


def test_differences(credit: Program) -> None:
    found = credit.json("models", "diff", "credit/1", "credit/2")
    assert [each["name"] for each in found["changes"]] == ["digest", "source"]
    named = {each["name"] for each in found["runs"]["dimensions"]}
    assert {"metrics", "parameters"} <= named
    assert "auc" in credit("models", "diff", "credit/1", "credit/2").out


def policy(program: Program, text: str, target: str = "champion") -> None:
    make_tree(os.getcwd(), {"gate.yaml": text})
    done = program("models", "policy", "credit", target, "gate.yaml")
    assert done.code == 0, done.err


def test_a_better_version_is_promoted(credit: Program) -> None:
    policy(
        credit, "needs: [{better-than: {alias: champion, metric: auc, by: 0.05}}, {model-signature: true}]"
    )
    refused = credit("models", "alias", "credit", "champion", "2")
    assert (refused.code, "proj models promote credit/2 champion" in refused.err) == (125, True)
    assert credit("models", "promote", "credit/2", "champion").code == 0
    worse = credit("models", "promote", "credit/1", "champion", "--json")
    assert (worse.code, json.loads(worse.out)["state"]) == (1, "refused")
    assert "better-than" in credit("models", "promote", "credit/1", "champion").out
    assert aliases() == {"champion": 2}
    assert credit("models", "promote", "credit/3", "champion").code == 0
    shown = credit("models", "policy", "credit", "champion").out
    assert "better-than" in shown
    assert credit("models", "policy", "credit", "champion", "--remove").code == 0
    assert credit("models", "alias", "credit", "champion", "1").code == 0


def test_approvals(credit: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who registered it does not count; the same one twice counts once; a rejection ends it."""
    me = credit.json("models", "show", "credit/2")["user"]
    policy(credit, "needs: [{approvals: {count: 2, not_author: true}}]")
    pending = credit("models", "promote", "credit/2", "champion", "-m", "it is better")
    assert (pending.code, "2 approvals missing" in pending.out) == (3, True)
    assert "proj models approve credit/2 champion" in pending.out
    own = credit("models", "approve", "credit/2", "champion")
    assert (own.code, me in own.err) == (2, True)
    for user in ("ann", "ann", "bob"):
        assert credit("models", "promote", "credit/2", "champion").code == 3
        monkeypatch.setenv("LOGNAME", user)
        assert credit("models", "approve", "credit/2", "champion", "-m", "fine").code == 0
    assert credit("models", "promote", "credit/2", "champion").code == 0
    assert aliases() == {"champion": 2}
    assert (
        "2 pieces of evidence" not in credit("models", "history", "credit").out
    )  # all that is there is listed
    credit("models", "promote", "credit/3", "champion")
    assert credit("models", "reject", "credit/3", "champion", "-m", "no").code == 0
    refused = credit("models", "promote", "credit/3", "champion")
    assert (refused.code, "rejected by bob: no" in refused.out) == (1, True)


def test_other_bytes_are_not_promoted(credit: Program) -> None:
    policy(credit, "needs: [{model-signature: true}]")
    version = registry.get(paths.store(), "credit").versions[2]
    path = os.path.join(paths.store(), "runs", version.run_id, "artifacts", "model", "weights")
    with open(path, "w") as file:
        file.write("x")
    for words in (
        ("promote", "credit/2", "champion"),
        ("approve", "credit/2", "champion"),
        ("rebuild", "credit/2"),
    ):
        done = credit("models", *words)
        assert (done.code, "not those that were registered" in done.err) == (2, True), done.err


def test_what_was_documented_and_is_no_more(credit: Program) -> None:
    policy(
        credit, "needs: [{documented: {fields: [tags.owner, model.description]}}, {approvals: {count: 1}}]"
    )
    for words in (("tag", "credit/2", "owner=me"), ("note", "credit", "scores")):
        assert credit("models", *words).code == 0
    assert credit("models", "promote", "credit/2", "champion").code == 3
    assert credit("models", "approve", "credit/2", "champion").code == 0
    assert credit("models", "tag", "credit/2", "--remove", "owner").code == 0
    done = credit("models", "promote", "credit/2", "champion")
    assert (done.code, "not documented: tags.owner" in done.out) == (1, True), done.out + done.err
    assert credit("models", "tag", "credit/2", "owner=me").code == 0
    assert credit("models", "promote", "credit/2", "champion").code == 0
    assert aliases() == {"champion": 2}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("needs: [", "no YAML"),
        ("need: []", "list `needs:`"),
        ("needs: []", "protect nothing"),
        ("needs: [{aproval: {}}]", "no need 'aproval'"),
        ("needs: [{approvals: {counts: 2}}]", "no option 'counts'"),
        ("needs: [{approvals: {count: two}}]", "cannot be 'two'"),
        ("needs: [{approvals: {count: 0}}]", "at least 1"),
        ("needs: [{run: {project: .}}]", "needs the option 'pass'"),
        ("needs: [{better-than: 3}]", "takes options"),
        ("needs: [{run: {pass: ''}}]", "asks for nothing"),
        ("needs: [{run: {pass: zz}}]", "run.pass 'zz'"),
        ("needs: [{documented: {fields: []}}]", "the fields are"),
        ("needs: [{documented: {fields: [owner]}}]", "the fields are"),
        ("needs: [{approvals: {role: king}}]", "approver and admin"),
        ("needs: [{rebuild: {tolerance: zz}}]", "is no tolerance"),
        ("needs: [{run: {pass: m.a > 1, parameters: {day: 2024-01-01}}}]", "in quotes"),
        ("needs: [{run: {pass: m.a > 1, parameters: {day: 2024-99-99}}}]", "no YAML"),
        ("needs: [{better-than: {alias: a, metric: m, by: .inf}}]", "in quotes"),
        ("needs: [{signed: {by: [1]}}]", "list of texts"),
    ],
)
def test_a_policy_that_is_wrong_protects_nothing(credit: Program, text: str, said: str) -> None:
    make_tree(os.getcwd(), {"gate.yaml": text})
    done = credit("models", "policy", "credit", "champion", "gate.yaml")
    assert (done.code, said in done.err) == (2, True), done.err
    assert credit("models", "policy", "credit", "champion").code == 2


def keys(folder: str, *names: str) -> None:
    for name in names:
        path = os.path.join(folder, name)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)


def test_signatures(credit: Program, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose count is said outside of the store; of other bytes, or of another statement, none does."""
    folder = os.path.join(str(tmp_path), "keys")
    os.makedirs(folder)
    keys(folder, "team", "thief")
    allowed = os.path.join(folder, "allowed_signers")
    monkeypatch.setenv("PROJ_ALLOWED_SIGNERS", allowed)
    with open(os.path.join(folder, "team.pub")) as file, open(allowed, "w") as written:
        written.write(f'team@example.org namespaces="proj-model" {file.read()}')
    policy(credit, "needs: [{signed: {by: [team@example.org]}}, {approvals: {count: 1, signed: true}}]")
    assert credit("models", "verify", "credit/2").code == 1
    assert credit("models", "promote", "credit/2", "champion").code == 3
    assert credit("models", "sign", "credit/2", "--key", os.path.join(folder, "thief")).code == 0
    assert credit("models", "verify", "credit/2").code == 1
    assert credit("models", "sign", "credit/2", "--key", os.path.join(folder, "team")).code == 0
    done = credit("models", "verify", "credit/2", "-o", folder)
    assert (done.code, done.out) == (0, "signed by team@example.org\n")
    with open(os.path.join(folder, "credit-2-2.intoto.json")) as file:
        statement = json.load(file)
    assert {each["name"] for each in statement["subject"]} == {"MLmodel", "weights"}
    assert credit("models", "promote", "credit/2", "champion").code == 3
    assert "signed" in credit("models", "approve", "credit/2", "champion").err
    assert (
        credit("models", "approve", "credit/2", "champion", "--key", os.path.join(folder, "thief")).code == 0
    )
    assert credit("models", "promote", "credit/2", "champion").code == 3
    assert (
        credit("models", "approve", "credit/2", "champion", "--key", os.path.join(folder, "team")).code == 0
    )
    assert credit("models", "promote", "credit/2", "champion").code == 0
    assert aliases() == {"champion": 2}
    with open(allowed, "w"):
        pass  # nobody is trusted any more: the move does not count here
    assert aliases() == {}
    assert "does not count" in credit("models", "history", "credit").out


GATE = """\
name: gate
entry_points:
  validate:
    parameters: {model: path, least: {type: float, default: 0}}
    command: "python validate.py {model} {least}"
"""
VALIDATE = """\
import os, subprocess, sys
value = float(open(os.path.join(sys.argv[1], "weights")).read())
subprocess.run([sys.executable, "-m", "runner", "log", "metric", f"score={value}"], check=True)
"""


@pytest.mark.slow
def test_a_gate_is_a_run(credit: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    monkeypatch.setenv("PYTHONPATH", root)
    make_tree(
        os.path.join(os.getcwd(), "gates"),
        {"MLproject": GATE, "validate.py": VALIDATE.replace("python", sys.executable)},
    )
    policy(
        credit,
        "needs: [{run: {project: gates, entry_point: validate, parameters: {model: '{model}'}, pass: 'metrics.score >= 2'}}]",
    )
    assert credit("models", "promote", "credit/1", "champion").code == 1
    done = credit("models", "promote", "credit/2", "champion")
    assert done.code == 0, done.out + done.err
    gates = [
        link
        for run in Store(paths.store()).search().runs
        for link in run.links
        if link["relation"] == "gates"
    ]
    assert sorted((each["name"], each["version"]) for each in gates) == [("credit", 1), ("credit", 2)]


MAKING = """\
name: train
entry_points:
  main:
    parameters: {how: same}
    command: "python train.py {how}"
    outputs: [model]
"""
TRAIN = """\
import os, sys, uuid
os.makedirs("model", exist_ok=True)
open("model/MLmodel", "w").write("flavors: {}\\n")
open("model/weights", "w").write("6" if sys.argv[1] == "same" else uuid.uuid4().hex)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code", "verdict"), [("same", 0, "identical"), ("chance", 1, "different")])
def test_rebuilding(program: Program, how: str, code: int, verdict: str) -> None:
    make_tree(os.path.join(os.getcwd(), "train"), {"MLproject": MAKING, "train.py": TRAIN})
    assert program("run", "train", "-P", f"how={how}", "--run-name", "made").code == 0
    assert program("models", "register", "made", "credit").code == 0
    done = program("models", "rebuild", "credit/1")
    assert (done.code, verdict in done.out) == (code, True), done.out + done.err
    assert program.json("models", "show", "credit/1")["rebuilt"] == verdict
    policy(program, "needs: [{rebuild: {}}]")
    assert program("models", "promote", "credit/1", "champion").code == code
    if how == "same":  # other bytes, put among the artifacts of the run that makes the same each time
        store = Store(paths.store())
        run_id = registry.get(store.root, "credit").versions[1].run_id
        make_tree(os.path.join(store.run_directory(run_id), "artifacts"), {"evil/m.bin": "x", "m.bin": "x"})
        for number, path in enumerate(("evil", "evil/m.bin", "m.bin"), 2):
            assert program("models", "register", "made", "credit", "--path", path).code == 0
            done = program("models", "rebuild", f"credit/{number}")
            assert (done.code, "different" in done.out) == (1, True), done.out + done.err
        version = registry.Version("", 0, "s3://b/m", "s3://b/m", run_id)
        number = registry.register(store.root, "credit", version).number
        assert program("models", "rebuild", f"credit/{number}").code == 125


def test_between_stores(credit: Program, tmp_path: object) -> None:
    """The same files, a number of its own; a second time nothing."""
    other = os.path.join(str(tmp_path), "other")
    registry.create(other, "credit")
    registry.register(other, "credit", registry.Version("", 0, "s3://b/m", "s3://b/m"))
    assert credit.json("models", "push", "credit/2", other) == [
        {"name": "credit", "from": 2, "version": 2, "new": True}
    ]
    assert "was there" in credit("models", "push", "credit/2", other).out
    ours, theirs = (registry.get(root, "credit").versions[2] for root in (paths.store(), other))
    assert (theirs.digest, theirs.copied_from) == (ours.digest, ours.version_id)
    assert credit("models", "verify", "credit/2", "--store", other).code == 1  # whole, but not signed
    third = os.path.join(str(tmp_path), "third")
    found = credit.json("models", "pull", other, "--store", third)
    assert [(each["from"], each["version"]) for each in found] == [(1, 1), (2, 2)]
    assert registry.get(third, "credit").versions[2].digest == ours.digest


@pytest.mark.slow
def test_to_and_from_a_server(credit: Program, start: Start, tmp_path: object) -> None:
    server = start("--store", os.path.join(str(tmp_path), "team"))
    credit("models", "tag", "credit/2", "team=risk")
    found = credit.json("models", "push", "credit/2", server.url)
    assert [(each["version"], each["new"]) for each in found] == [(1, True)]
    assert credit.json("models", "push", "credit/2", server.url)[0]["new"] is False
    theirs = registry.get(os.path.join(str(tmp_path), "team"), "credit").versions[1]
    ours = registry.get(paths.store(), "credit").versions[2]
    assert (theirs.digest, theirs.tags["team"]) == (ours.digest, "risk")
    back = os.path.join(str(tmp_path), "back")
    assert credit.json("models", "pull", server.url, "credit", "--store", back)[0]["new"] is True
    assert credit.json("models", "pull", server.url, "--store", back)[0]["new"] is False
    assert registry.get(back, "credit").versions[1].digest == ours.digest
    assert credit("models", "pull", server.url, "nothing", "--store", back).code == 2


DOCS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs")


def test_every_line_of_the_pages_works(
    credit: Program, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other; two people type them, as the page says."""
    page = ""
    for name in ("registry.md", "governance.md"):
        with open(os.path.join(DOCS, name), encoding="utf-8") as file:
            page += file.read()
    lines = [
        line.split(" #")[0].strip()
        for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
        for line in block.splitlines()
        if line.startswith("proj ")
    ]
    assert len(lines) > 20
    make_tree(os.getcwd(), {"gate.yaml": re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0]})
    keys(str(tmp_path), "id_ed25519")
    monkeypatch.setenv("PROJ_ALLOWED_SIGNERS", os.path.join(str(tmp_path), "allowed"))
    with (
        open(os.path.join(str(tmp_path), "id_ed25519.pub")) as file,
        open(os.environ["PROJ_ALLOWED_SIGNERS"], "w") as to,
    ):
        to.write(f"me@example.org {file.read()}")
    run_with_model("last-one", 0.95)
    for line in lines:
        words = [
            word.replace("~/.ssh", str(tmp_path)) for word in shlex.split(line.replace("RUN", "run3"))[1:]
        ]
        monkeypatch.setenv("LOGNAME", "ann" if "approve" in words else "me")
        done = credit(*words)
        expected = 3 if line in PENDING_LINES else 0
        PENDING_LINES.discard(line)
        assert done.code == expected, f"{line}\n{done.out}{done.err}"


PENDING_LINES = {"proj models promote credit/3 champion"}  # the first time


def test_where_signatures_cannot_be_written(credit: Program) -> None:
    done = credit("models", "verify", "credit/1", "-o", "/proc/x")
    assert (done.code, "cannot be written" in done.err) == (2, True), done.err
