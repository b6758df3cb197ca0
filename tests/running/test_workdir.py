"""`--workdir=fresh`: a folder for one run, and what two runs in one folder do to each other without it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from runner import paths
from runner.data.inputs import digest_of
from runner.errors import InputError
from runner.host import files, replacing
from runner.running import supplied
from runner.running.plan import Outcome, Request
from runner.running.run import run
from runner.running.supplied import Supplier, Supply
from runner.snapshots import packed
from runner.values import Silent
from tests.helpers import examples, git, make_repository, make_tree, proj
from tests.reproduction.worlds import ran, store

MLPROJECT = """\
name: demo
entry_points:
  main:
    parameters: {k: {type: int, default: 1}}
    inputs: [data]
    outputs: ["out/{k}.txt"]
    command: "bash main.sh {k}"
  plain:
    command: "cat data/x.txt"
  module:
    command: "python3 -c 'import own.part'"
  spoil:
    inputs: [data, big.bin]
    outputs: [big.txt]
    command: "echo more >> data/x.txt; chmod u+w big.bin; echo more >> big.bin; cp big.bin big.txt"
  copies:
    inputs: [big.bin]
    outputs: [big.txt]
    command: "cp big.bin big.txt"
  fail:
    outputs: [left.txt]
    command: "echo half > left.txt; exit 3"
  folder:
    parameters: {k: {type: int, default: 1}}
    outputs: [model]
    command: "mkdir model; echo {k} > model/{k}; echo same > model/same"
  slow:
    outputs: [out.txt]
    command: "echo $PPID > out.txt; sleep 100"
  outside:
    inputs: [../other.txt]
    command: "true"
"""
MAIN = "cat data/x.txt lib.txt > out/$1.txt\necho $1 >> out/$1.txt\nls > seen.txt\n"
FILES = {
    "MLproject": MLPROJECT,
    "main.sh": MAIN,
    "lib.txt": "lib\n",
    ".gitignore": "data\nown\nout\nbig.bin\n",
    "data/x.txt": "x\n",
    "data/deep/empty": "",
    "own/part.py": "",
}


@pytest.fixture
def project(tmp_path: object) -> str:
    return make_repository(f"{tmp_path}/demo", FILES)


def read(*parts: str) -> str:
    with open(os.path.join(*parts), encoding="utf-8") as file:
        return file.read()


def folders() -> list[str]:
    return files.names(paths.cache("checkouts"))


def test_outputs_of_a_success_take_their_places(project: str) -> None:
    done = ran(project, "--workdir=fresh")
    assert read(project, "out", "1.txt") == "x\nlib\n1\n"
    assert sorted(os.listdir(project)) == sorted([*{name.split("/")[0] for name in FILES}, ".git", "out"])
    assert done.sections["workdir"]["kind"] == "fresh"
    assert done.sections["command"]["directory"] == project
    assert [each["path"] for each in done.outputs] == ["out/1.txt"]
    assert folders() == []


def test_edits_and_new_files_are_code(project: str) -> None:
    make_tree(project, {"lib.txt": "edited\n", "main.sh": MAIN + "cat new/file.txt >> out/$1.txt\n"})
    make_tree(project, {"new/file.txt": "new\n"})
    ran(project, "--workdir=fresh")
    assert read(project, "out", "1.txt") == "x\nedited\n1\nnew\n"


def test_without_git_and_in_a_part_of_a_repository(tmp_path: object) -> None:
    plain = make_tree(f"{tmp_path}/plain", FILES)
    ran(plain, "--workdir=fresh")
    assert read(plain, "out", "1.txt") == "x\nlib\n1\n"
    inner = {f"sub/{name}": text for name, text in FILES.items()}
    inner["sub/MLproject"] = MLPROJECT.replace("inputs: [data]\n", "inputs: [data, ../beside.txt]\n", 1)
    inner |= {"sub/main.sh": MAIN + "cat ../beside.txt >> out/$1.txt\n", ".gitignore": "beside.txt\n"}
    top = make_repository(f"{tmp_path}/top", inner)
    make_tree(top, {"beside.txt": "beside\n"})
    ran(f"{top}/sub", "--workdir=fresh")
    assert read(top, "sub", "out", "1.txt") == "x\nlib\n1\nbeside\n"


@pytest.mark.parametrize(("entry", "lacks"), [("plain", "inputs: [data/]"), ("module", "inputs: [own/]")])
def test_what_is_not_declared_is_not_there_and_is_named(project: str, entry: str, lacks: str) -> None:
    done = proj("run", project, "-e", entry, "--workdir=fresh")
    assert done.code
    assert lacks in done.err
    assert "--workdir=project" in done.err
    assert proj("run", project, "-e", entry).code == 0


def test_a_command_cannot_change_its_inputs(project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    big = os.urandom(1_500_000)
    make_tree(project, {"big.bin": big})
    before = [files.stamp(os.path.join(project, name)) for name in ("data/x.txt", "big.bin")]
    first = proj("run", project, "-e", "spoil", "--workdir=fresh")
    assert before == [files.stamp(os.path.join(project, name)) for name in ("data/x.txt", "big.bin")]
    if first.code:  # no file system that clones: other runs read the same copy
        assert "the input big.bin was written to while the command ran" in first.err
        assert not os.path.exists(os.path.join(project, "big.txt"))
    else:
        assert os.path.getsize(os.path.join(project, "big.txt")) == 1_500_005
    ran(project, "-e", "copies", "--workdir=fresh")  # the copy in the cache was spoilt
    assert os.path.getsize(os.path.join(project, "big.txt")) == 1_500_000


@pytest.mark.parametrize("how", ["in place", "by another run", "replaced here", "replaced there", "removed"])
def test_a_copy_that_others_read_too_is_looked_at_afterwards(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(supplied, "_cloned", lambda source, target: False)
    base = make_tree(tmp_path, {"big": os.urandom(1_500_000)})
    supply = [
        Supply("big", f"{base}/big", f"{base}/{name}/big", digest_of(f"{base}/big")[0]) for name in "ab"
    ]
    suppliers = [Supplier(), Supplier()]
    for one, each in zip(suppliers, supply, strict=True):
        one.bring(each)
    kept = paths.scratch("work", "data", os.listdir(paths.scratch("work", "data"))[0])
    changed = {"in place": supply[0].target, "by another run": supply[1].target}.get(how)
    if changed:
        os.chmod(changed, 0o644)
        with open(changed, "r+b") as file:
            file.write(b"more")
    elif how == "replaced here":  # a file of its own, which nobody else sees
        os.unlink(supply[0].target)
        make_tree(base, {"a/big": "own"})
    elif how == "replaced there":  # a third run has found it spoilt, and this one has no name of it any more
        os.unlink(supply[0].target)
        os.rename(kept, f"{base}/spoilt")
        make_tree(os.path.dirname(kept), {os.path.basename(kept): "new"})
    else:  # the cache was cleaned
        os.unlink(kept)
    if changed or how == "replaced there":
        with pytest.raises(InputError, match="the input big was written to"):
            suppliers[0].refuse_changed()
    else:
        suppliers[0].refuse_changed()


def test_what_failed_stays_in_the_record(project: str) -> None:
    make_tree(project, {"left.txt": "good\n"})
    done = ran(project, "-e", "fail", "--workdir=fresh", code=3)
    assert read(project, "left.txt") == "good\n"
    assert read(store().run_directory(done.run_id), "artifacts", "left.txt") == "half\n"
    assert folders() == []


def test_a_folder_is_replaced_as_a_whole(project: str) -> None:
    ran(project, "-e", "folder", "--workdir=fresh")
    ran(project, "-e", "folder", "-P", "k=2", "--workdir=fresh")
    assert sorted(os.listdir(os.path.join(project, "model"))) == ["2", "same"]


def test_what_a_user_put_into_a_folder_stays_there(project: str) -> None:
    ran(project, "-e", "folder", "--workdir=fresh")
    make_tree(
        project, {"model/mine.txt": "mine\n", "model/deep/mine.txt": "mine\n", "model/same": "edited\n"}
    )
    os.symlink("mine.txt", os.path.join(project, "model", "link"))
    os.mkdir(os.path.join(project, "model", "empty"))
    make_tree(project, {"model/1": "edited\n"})  # what a run left is removed only as it left it
    before = os.stat(os.path.join(project, "model", "mine.txt")).st_ino
    for k in "23":
        done = proj("run", project, "-e", "folder", "-P", f"k={k}", "--workdir=fresh")
        assert done.code == 0, done.err
        assert "model/mine.txt is no output of this run: it was left there" in done.err
        kept = ["1", "deep", "empty", "link", "mine.txt"]
        assert sorted(os.listdir(os.path.join(project, "model"))) == sorted([k, "same", *kept])
    assert os.stat(os.path.join(project, "model", "mine.txt")).st_ino == before
    assert os.readlink(os.path.join(project, "model", "link")) == "mine.txt"
    assert read(project, "model", "deep", "mine.txt") == "mine\n"
    assert read(project, "model", "same") == "same\n"


def test_a_file_does_not_take_the_place_of_a_folder_of_the_user(project: str) -> None:
    make_tree(project, {"big.txt/mine.txt": "mine\n", "big.bin": "b"})
    done = proj("run", project, "-e", "spoil", "--workdir=fresh")
    assert done.code == 125
    assert "mine.txt in it is no output of a run" in done.err
    assert read(project, "big.txt", "mine.txt") == "mine\n"


def test_what_cannot_be_put_into_the_project_is_a_failure(project: str) -> None:
    make_tree(project, {"out": "a file\n"})
    done = proj("run", project, "--workdir=fresh")
    assert done.code == 125
    assert "the output out/1.txt cannot be put into" in done.err
    assert read(project, "out") == "a file\n"


def test_it_is_taken_over_like_any_other(project: str) -> None:
    first = ran(project, "--workdir=fresh")
    os.unlink(os.path.join(project, "out", "1.txt"))
    second = ran(project, "--workdir=fresh", "--cached")
    assert [each["run_id"] for each in second.links if each["relation"] == "cached-from"] == [first.run_id]
    assert read(project, "out", "1.txt") == "x\nlib\n1\n"
    make_tree(project, {"data/x.txt": "y\n"})
    assert not ran(project, "--workdir=fresh", "--cached").links


def test_mistakes(project: str) -> None:
    assert "is not one of fresh, project" in proj("run", project, "--workdir=new").err
    done = proj("run", project, "-e", "outside", "--workdir=fresh")
    assert done.code == 2
    assert "../other.txt lies outside of the project" in done.err


def test_what_a_killed_one_left_is_removed_by_the_next(project: str) -> None:
    started = subprocess.Popen(
        [sys.executable, "-m", "runner", "run", project, "-e", "slow", "--workdir=fresh"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        wait_for(lambda: any(_holds(each, "out.txt") for each in folders()))
    finally:
        started.send_signal(signal.SIGKILL)
        started.wait()
    assert folders()
    wait_for(lambda: proj("run", project, "--workdir=fresh").code == 0 and not folders())
    assert not os.path.exists(os.path.join(project, "out.txt"))


def _holds(name: str, file: str) -> bool:
    return os.path.exists(paths.cache("checkouts", name, "demo", file))


def wait_for(condition: object, seconds: float = 60) -> None:
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_many_at_once_get_their_own_files(project: str) -> None:
    """As in an in-place folder they do not: the same name is written by all."""
    command = "echo {k} > out.json; sleep 0.02; cat out.json > copy.json"
    make_tree(
        project,
        {"MLproject": f"entry_points: {{main: {{parameters: {{k: int}}, outputs: [out.json, copy.json], "
         f"command: '{command}'}}}}\n"},
    )  # fmt: skip
    number, outcomes = examples(200), dict[int, Outcome]()
    left = iter(range(number))

    def work() -> None:
        for k in left:
            request = Request(project, parameters=(f"k={k}",), workdir="fresh")
            found = run(request, Silent())
            assert isinstance(found, Outcome)
            outcomes[k] = found

    workers = [threading.Thread(target=work) for _ in range(8)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert len(outcomes) == number
    for k, outcome in outcomes.items():
        assert outcome.status == "FINISHED"
        kept = os.path.join(store().run_directory(outcome.run_id), "artifacts")
        assert [read(kept, name) for name in ("out.json", "copy.json")] == [f"{k}\n"] * 2
    assert int(read(project, "out.json")) in range(number)
    assert folders() == []


def test_two_in_one_folder_are_told_and_never_cached(project: str) -> None:
    command = "echo {k} > out.txt; until [ -e go ]; do sleep 0.05; done"
    text = f"""entry_points:
  main: {{parameters: {{k: int}}, outputs: [out.txt], command: '{command}'}}
  other: {{outputs: [else.txt], command: 'echo > else.txt'}}
"""
    make_tree(project, {"MLproject": text, ".gitignore": "go\n"})
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "runner", "run", project, "-P", f"k={k}", "--run-name", f"r{k}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for k in (1, 2)
    ]  # fmt: skip
    wait_for(lambda: len(store().search("status = 'RUNNING'").runs) == 2)
    wait_for(lambda: any(each.sections.get("workdir") for each in _read_all()))
    ran(project, "-e", "other")  # has other outputs
    make_tree(project, {"go": ""})
    errors = [each.communicate()[1] for each in both]
    assert "another run with the same outputs is on in this folder" in "".join(errors)
    runs = {each.name: each for each in _read_all() if each.entry_point == "main"}
    assert runs["r1"].sections["workdir"]["beside"] == [runs["r2"].run_id]
    assert runs["r2"].sections["workdir"]["beside"] == [runs["r1"].run_id]
    assert not next(each for each in _read_all() if each.entry_point == "other").sections.get("workdir")
    done = proj("run", project, "-P", "k=1", "--cached", "--explain")
    assert "which writes the same ones" in done.err
    assert not os.listdir(paths.cache("work", "writing"))


def _read_all() -> list[object]:
    return [store().read(each.run_id) for each in store().search("").runs]


def test_what_a_run_starts_writes_for_it(project: str) -> None:
    text = f"""entry_points:
  main: {{outputs: [out.txt], command: '{sys.executable} -m runner run . -e inner'}}
  inner: {{outputs: [out.txt], command: 'echo > out.txt'}}
"""
    make_tree(project, {"MLproject": text})
    done = proj("run", project)
    assert done.code == 0
    assert "same outputs" not in done.err
    assert not any(each.sections.get("workdir") for each in _read_all())


def test_a_snapshot_is_unpacked_as_it_is(tmp_path: object) -> None:
    names = {
        "plain": "a\n",
        "run.sh*": "#!/bin/sh\n",
        "d/ä ö\n": b"\r\n\0",
        "long/" + "x" * 90 + "/" + "y" * 90: "z",
    }
    root = make_repository(
        f"{tmp_path}/all", {**names, "MLproject": "entry_points: {main: {command: 'true'}}\n"}
    )
    os.symlink("plain", f"{root}/link")
    make_tree(root, {".gitattributes": "plain text eol=crlf export-ignore\n"})
    git(root, "add", "-A")
    tree = ran(root).sections["code"]["tree"]
    found = packed.members(store().root, tree)
    assert found == packed.members(store().root, tree)
    target = f"{tmp_path}/target"
    packed.unpack(tree, [each for each in found if each.path != "MLproject"], target)
    for name, content in names.items():
        with open(os.path.join(target, name.rstrip("*")), "rb") as file:
            assert file.read() == (content if isinstance(content, bytes) else content.encode())
    assert os.readlink(f"{target}/link") == "plain"
    assert os.access(f"{target}/run.sh", os.X_OK)
    assert not os.access(f"{target}/plain", os.X_OK)
    assert not os.path.exists(f"{target}/MLproject")


def test_put_replaces_whatever_there_is(tmp_path: object) -> None:
    base = make_tree(tmp_path, {"one": "new\n", "two": "old\n", "folder/a": "a\n", "full/b": "b\n"})
    os.link(f"{base}/one", f"{base}/name")
    replacing.put(f"{base}/one", f"{base}/two")
    with open(f"{base}/two", "a", encoding="utf-8") as file:
        file.write("more\n")
    assert read(base, "name") == "new\n"
    replacing.put(f"{base}/folder", f"{base}/full")
    assert os.listdir(f"{base}/full") == ["a"]
    replacing.put(f"{base}/full", f"{base}/two")
    assert os.listdir(f"{base}/two") == ["a"]
    replacing.put(f"{base}/name", f"{base}/two")
    assert read(base, "two") == "new\n"
    assert sorted(os.listdir(base)) == sorted(["home", "work", "two"])


WRITES = {
    "file": ("[out/new]", ""),
    "folder": ("[out]", ""),
    "glob": ("['out/*']", ""),
    "link": ("[out]", "real"),  # `out` is a link to a folder in the project
}


@pytest.mark.parametrize("how", ["fresh", "pipeline", "cached", "cached in place"])
@pytest.mark.parametrize("whose", ["tracked", "ignored", "foreign", "input", "own repository"])
@pytest.mark.parametrize("kind", WRITES)
def test_nothing_changes_but_recorded_outputs(tmp_path: object, kind: str, whose: str, how: str) -> None:
    declared, leads = WRITES[kind]
    real = leads or "out"
    reads = "inputs: [out/d/mine], " if whose == "input" else ""
    text = f"""entry_points:
  main: {{parameters: {{k: int}}, {reads}outputs: {declared}, command: 'mkdir -p out; echo {{k}} > out/new'}}
  last: {{needs: main, parameters: {{k: int}}, command: 'true'}}
"""
    project = make_repository(f"{tmp_path}/demo", {"MLproject": text, ".gitignore": "ignored*\nd\n"})
    make_tree(project, {f"{real}/mine": "mine\n", f"{real}/ignored": "mine\n", f"{real}/d/mine": "mine\n"})
    os.chmod(f"{project}/{real}/d/mine", 0o640)
    os.symlink("mine", f"{project}/{real}/linked")
    if leads:
        os.symlink(leads, f"{project}/out")
    if whose == "tracked":
        git(project, "add", "-f", "-A")
        git(project, "commit", "-q", "-m", "all")
    elif whose == "own repository":
        git(f"{project}/{real}", "init", "-q")
    elif whose == "ignored":
        make_tree(project, {".gitignore": "*\n"})
    before = _state_below(project)
    where = [] if how == "cached in place" else ["--workdir=fresh"]
    entry = ["-e", "last" if how == "pipeline" else "main"]
    for k in (1, 2, 1):
        cached = ["--cached"] if "cached" in how else []
        done = proj("run", project, *entry, "-P", f"k={k}", *(where if how != "pipeline" else []), *cached)
        assert done.code == 0, done.err
        assert read(project, "out", "new") == f"{k}\n"
        assert {name: each for name, each in _state_below(project).items() if name != f"{real}/new"} == before


def _state_below(top: str) -> dict[str, tuple[object, ...]]:
    """Of all files and links but git's own of the project: inode, mode, time of the last change, and where it leads."""
    found = {}
    for folder, folders, names in os.walk(top):
        if folder == top:
            folders.remove(".git")
        for each in (*names, *(name for name in folders if os.path.islink(os.path.join(folder, name)))):
            path = os.path.join(folder, each)
            stat = os.lstat(path)
            leads = os.readlink(path) if os.path.islink(path) else ""
            found[os.path.relpath(path, top)] = (stat.st_ino, stat.st_mode, stat.st_mtime_ns, leads)
    return found


def test_what_a_run_left_and_somebody_committed_stays(project: str) -> None:
    ran(project, "-e", "folder", "--workdir=fresh")
    git(project, "add", "-f", "model/1")
    git(project, "commit", "-q", "-m", "model")
    ran(project, "-e", "folder", "-P", "k=2", "--workdir=fresh")
    assert sorted(os.listdir(os.path.join(project, "model"))) == ["1", "2", "same"]


@pytest.mark.parametrize("leads", ["../ext", ".", ".."])
def test_a_folder_that_is_not_the_projects_is_refused(project: str, leads: str) -> None:
    make_tree(os.path.dirname(project), {"ext/data": "data\n"})
    os.symlink(leads, os.path.join(project, "model"))
    done = proj("run", project, "-e", "folder", "--workdir=fresh")
    assert done.code == 2
    assert "the output model is a folder outside of the project" in done.err
    assert read(os.path.dirname(project), "ext", "data") == "data\n"


@pytest.mark.parametrize("output", [".", "..", "../sub", "../*", "./", "../**", "../../*/sub"])
@pytest.mark.parametrize("where", ["fresh", "project"])
def test_an_output_that_has_the_project_in_it_is_refused(tmp_path: object, output: str, where: str) -> None:
    text = f"entry_points: {{main: {{outputs: ['{output}'], command: 'true'}}}}\n"
    top = make_repository(f"{tmp_path}/top", {"sub/MLproject": text, "sub/mine": "mine\n"})
    done = proj("run", f"{top}/sub", f"--workdir={where}")
    assert done.code == 2
    assert "is the project's folder, or one above it" in done.err
    done = proj("check", f"{top}/sub")
    assert done.code
    assert "is the project's folder, or one above it" in done.out + done.err
    assert read(top, "sub", "mine") == "mine\n"


def test_a_link_takes_the_place_of_a_link(tmp_path: object) -> None:
    text = """entry_points:
  main: {parameters: {k: int}, outputs: [v, latest], command: 'mkdir -p v/{k}; ln -s v/{k} latest'}
"""
    project = make_repository(f"{tmp_path}/demo", {"MLproject": text, "other/mine": "mine\n"})
    os.symlink("other", f"{project}/latest")
    for k in "12":
        ran(project, "-P", f"k={k}", "--workdir=fresh")
        assert os.readlink(f"{project}/latest") == f"v/{k}"
    assert read(project, "other", "mine") == "mine\n"


def test_a_snapshot_that_was_changed_in_the_cache_is_not_run(project: str) -> None:
    ran(project, "--workdir=fresh")
    (name,) = (each for each in os.listdir(paths.scratch("work", "trees")) if each.endswith(".tar"))
    place = paths.scratch("work", "trees", name)
    with open(place, "rb") as file:
        content = file.read()
    with open(place, "wb") as file:
        file.write(content.replace(b"lib\n", b"bad\n"))
    done = proj("run", project, "--workdir=fresh")
    assert done.code == 125
    assert "its copy in the cache was changed" in done.err
    ran(project, "--workdir=fresh")
    assert read(project, "out", "1.txt") == "x\nlib\n1\n"
