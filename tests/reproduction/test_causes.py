"""A cause is named: which file, which variable, which program, what did not answer, which version of a table."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import make_repository, make_tree, some
from tests.reproduction.worlds import ran, reproduced

PROJECT = "name: caused\nentry_points: {{main: {{command: '{command}', outputs: [out], inputs: {inputs}}}}}\n"


class World:
    """A program and what lies around it, which changes between a run and its reproduction."""

    def __init__(self, top: Path) -> None:
        self.folder, self.beside = top / "repository" / "project", top / "beside"
        self.variables: dict[str, str] = {}
        make_tree(self.beside, {"x": "1", "bin/tool*": "#!/bin/sh\necho 1\n", "pp/mod.py": "V = 1\n"})
        make_repository(self.folder.parent, {".gitignore": "ignored\nout\n__pycache__\n", "lib/a": ""})

    def program(self, text: str, command: str = "python3 p.py", inputs: str = "[]") -> None:
        project = PROJECT.format(command=command, inputs=inputs)
        make_tree(self.folder, {"MLproject": project, "p.py": text.format(beside=self.beside)})

    def judged(self, *changes: Callable[[], object]) -> dict[str, Any]:
        run = ran(str(self.folder), **self.variables)
        for change in changes:
            change()
        return reproduced(run, **self.variables)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def reads(path: str) -> str:
    return f"import os\nopen('out', 'w').write(open(os.path.expanduser('{path}')).read())\n"


# what the program is, what changes, the kind of the cause, and what it names
NAMED: dict[str, tuple[str, str, Callable[[World], object], str, str]] = {
    "an absolute path in the code": (
        reads("{beside}/x"),
        "python3 p.py",
        lambda world: make_tree(world.beside, {"x": "2"}),
        "inputs",
        "beside/x changed",
    ),
    "a file that is gone": (
        reads("{beside}/x"),
        "python3 p.py",
        lambda world: os.unlink(world.beside / "x"),
        "inputs",
        "beside/x changed",
    ),
    "a variable among many": (
        "import os\nopen('out', 'w').write(os.environ['MODE'])\n",
        "python3 p.py",
        lambda world: world.variables.update(dict.fromkeys("ABCDEFG", "2"), MODE="b"),
        "environment",
        "names MODE,",
    ),
    "a module on PYTHONPATH": (
        "import mod\nopen('out', 'w').write(str(mod.V))\n",
        "python3 p.py",
        lambda world: make_tree(world.beside, {"pp/mod.py": "V = 'two'\n"}),
        "inputs",
        "beside/pp changed",
    ),
    "a program that only the code starts": (
        "import subprocess\nsubprocess.run(['tool'], stdout=open('out', 'w'))\n",
        "python3 p.py",
        lambda world: make_tree(world.beside, {"bin/tool*": "#!/bin/sh\necho 2\n"}),
        "environment",
        "bin/tool is another program now",
    ),
    "git, which knows no clean room": (
        "import subprocess\nsubprocess.run(['git', 'rev-parse', 'HEAD'], stdout=open('out', 'w'))\n",
        "python3 p.py",
        lambda world: None,
        "environment",
        "the clean room is no repository",
    ),
    "a path in pieces": (
        "import os\nopen('out', 'w').write(open(os.path.join(os.path.dirname('{beside}'), 'beside', 'x')).read())\n",
        "python3 p.py",
        lambda world: make_tree(world.beside, {"x": "2"}),
        "inputs",
        "beside changed",
    ),
    "an ignored file beside the project": (
        "import os\nopen('out', 'w').write(str(os.path.exists('../ignored/x')))\n",
        "python3 p.py",
        lambda world: None,
        "inputs",
        "../ignored/x is not in the snapshot",
    ),
}


@pytest.mark.parametrize("case", some(NAMED, 3), ids=str)
def test_the_cause_has_a_name(world: World, case: str) -> None:
    text, command, change, kind, name = NAMED[case]
    make_tree(world.folder.parent, {"ignored/x": ""})
    path = f"{world.beside / 'bin'}{os.pathsep}{os.environ['PATH']}"
    world.variables = {
        **dict.fromkeys("ABCDEFG", "1"),
        "MODE": "a",
        "PYTHONPATH": str(world.beside / "pp"),
        "PATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    world.program(text, command)
    verdict = world.judged(lambda: change(world))
    assert (verdict["verdict"], verdict["cause"]) == ("different", kind), verdict["causes"]
    assert name in verdict["causes"][0]["text"]


@pytest.mark.slow
def test_a_limit_of_the_system(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.forked.can", lambda *_: False)  # it would have the limits of another process
    world.program("", "ulimit -c > out")
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    try:
        other = 0 if soft else 8192
        verdict = world.judged(lambda: resource.setrlimit(resource.RLIMIT_CORE, (other, hard)))
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert (verdict["verdict"], verdict["cause"]) == ("different", "environment"), verdict["causes"]
    assert "Max core file size" in verdict["causes"][0]["text"]


@pytest.mark.slow
def test_an_output_of_an_earlier_run(world: World) -> None:
    """It is there when the command starts, and git ignores it."""
    world.program("open('out', 'a').write('x')\n")
    ran(str(world.folder))
    verdict = world.judged()
    assert (verdict["verdict"], verdict["cause"]) == ("different", "inputs"), verdict["causes"]
    assert "out was there before the run" in verdict["causes"][0]["text"]


@pytest.mark.slow
def test_a_file_that_the_run_itself_wrote_is_no_cause(world: World) -> None:
    """A log outside of the project grows with each run."""
    world.program("open('{beside}/log', 'a').write('x')\nopen('out', 'w').write(open('{beside}/x').read())\n")
    verdict = world.judged(lambda: make_tree(world.beside, {"x": "2"}))
    assert "beside/x" in verdict["causes"][0]["text"]
    assert "log" not in verdict["causes"][0]["text"]


@pytest.mark.slow
def test_a_file_that_the_run_itself_wrote_is_named_when_nothing_else_is(world: World) -> None:
    program = "import os\nwarm = os.path.exists('{beside}/seen')\nopen('{beside}/seen', 'w')\nopen('out', 'w').write(str(warm))\n"
    world.program(program)
    verdict = world.judged()
    assert (verdict["verdict"], verdict["cause"]) == ("different", "inputs"), verdict["causes"]
    assert "beside/seen lies outside of the project, the run writes it" in verdict["causes"][0]["text"]


def test_a_file_beside_the_project_is_in_the_snapshot(world: World) -> None:
    """The command names it by a path that leads out of the project, and its repository has it."""
    make_tree(world.folder.parent, {"lib/a": "1"})
    world.program("", "cat ../lib/a > out")
    verdict = world.judged()
    assert verdict["verdict"] == "identical"
    assert not [each for each in verdict["notes"] if "lib/a" in each]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["ls -A . > out", "python3 p.py"])
def test_what_no_clean_room_has(world: World, command: str) -> None:
    world.program("import os\nopen('out', 'w').write(str(os.listdir('.')))\n", command)
    make_tree(world.folder, {".ruff_cache/x": ""})
    make_tree(world.folder.parent, {".gitignore": "ignored\nout\n__pycache__\n.ruff_cache\n"})
    verdict = world.judged()
    assert (verdict["verdict"], verdict["cause"]) == ("different", "inputs"), verdict["causes"]
    assert ".ruff_cache is in no clean room" in verdict["causes"][0]["text"]


@pytest.mark.slow
def test_the_modes_of_new_files(world: World) -> None:
    world.program("import os\nopen('new', 'w')\nopen('out', 'w').write(oct(os.stat('new').st_mode))\n")
    make_tree(world.folder.parent, {".gitignore": "new\nout\n"})
    run = ran(str(world.folder))
    words = [sys.executable, "-m", "runner", "reproduce", run.run_id, "--json"]
    done = subprocess.run(words, capture_output=True, umask=0o077, text=True, check=False, timeout=120)
    verdict = json.loads(done.stdout)
    assert verdict["cause"] == "environment"
    assert "-> 0077" in verdict["causes"][0]["text"]


@pytest.mark.slow
def test_a_module_that_lies_beside_the_packages(world: World) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(world.beside / "v")], check=True)
    (site,) = (world.beside / "v" / "lib").glob("python3*/site-packages")
    make_tree(site, {"loose.py": "V = 1\n"})
    world.program("import loose\nopen('out', 'w').write(str(loose.V))\n", "python p.py")
    path = f"{world.beside / 'v' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    world.variables = {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    verdict = world.judged(lambda: make_tree(site, {"loose.py": "V = 'two'\n"}))
    assert verdict["cause"] == "environment"
    assert "beside the packages of" in verdict["causes"][0]["text"]


class Answering(BaseHTTPRequestHandler):
    answer = b"1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("gone", "kind", "name"),
    [
        (True, "environment", "Connection refused"),
        pytest.param(False, "inputs", "127.0.0.1", marks=pytest.mark.slow),
    ],
)
def test_the_network(world: World, monkeypatch: pytest.MonkeyPatch, gone: bool, kind: str, name: str) -> None:
    server = HTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    world.program(
        f"from urllib.request import urlopen\nopen('out', 'wb').write(urlopen('{address}').read())\n"
    )
    world.variables = {"no_proxy": "127.0.0.1", "MODE": "1"}

    def change() -> None:
        if gone:
            server.shutdown()
            server.server_close()
        else:
            monkeypatch.setattr(Answering, "answer", b"2")

    try:
        verdict = world.judged(change)
    finally:
        if not gone:
            server.shutdown()
            server.server_close()
    assert (verdict["verdict"], verdict["cause"]) == ("different", kind)
    assert name in verdict["causes"][0]["text"]


TABLE = """\
import json, os, sys
live = set()
for name in sorted(os.listdir(sys.argv[1] + "/_delta_log")):
    for line in open(f"{{sys.argv[1]}}/_delta_log/{{name}}"):
        action = json.loads(line)
        live = live | {{action["add"]["path"]}} if "add" in action else live - {{action["remove"]["path"]}}
open("out", "w").write("".join(open(f"{{sys.argv[1]}}/{{name}}").read() for name in sorted(live)))
"""


@pytest.mark.parametrize("inside", [True, False])
def test_an_older_version_of_a_table(world: World, inside: bool) -> None:
    top = world.folder / "ignored" if inside else world.beside

    def commit(number: int, *actions: dict[str, object]) -> None:
        text = "".join(f"{json.dumps(each)}\n" for each in actions)
        make_tree(top, {f"t/_delta_log/{number:020}.json": text, f"t/{number}.parquet": str(number)})

    commit(0, {"add": {"path": "0.parquet"}})
    name = "ignored/t" if inside else f"{top}/t"
    world.program(TABLE, f"python3 p.py {name}", f"[{name}]")
    run = ran(str(world.folder))
    commit(1, {"remove": {"path": "0.parquet"}}, {"add": {"path": "1.parquet"}})
    found = reproduced(run)
    assert found["verdict"] == "identical"
    assert (top / "t" / "_delta_log" / f"{1:020}.json").exists()
    os.unlink(top / "t" / "0.parquet")
    vacuumed = reproduced(run)
    assert (vacuumed["verdict"], vacuumed["cause"]) == ("cannot-run", "inputs")
    assert "its version 0 was vacuumed: 0.parquet" in vacuumed["causes"][0]["text"]


def test_what_an_earlier_run_left_in_a_folder_is_not_of_this_one(world: World) -> None:
    world.program("import os\nos.makedirs('out', exist_ok=True)\nopen('out/a', 'w').write('1')\n")
    make_tree(world.folder, {"out/old": "x"})
    run = ran(str(world.folder))
    assert run.outputs[0]["found"] == ["out/old"]
    assert reproduced(run)["verdict"] == "identical"
