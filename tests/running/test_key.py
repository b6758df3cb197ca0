"""The key of a run: whatever can change its result forbids that an older one is taken for it, and nothing else does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.text.globs import matcher
from tests.helpers import git, make_repository, make_tree, proj, some

MLPROJECT = """\
name: keyed
entry_points:
  main:
    parameters: {{n: {{type: int, default: 1}}}}
    command: "{command}"
    outputs: {outputs}
  other: {{command: echo {other}}}
"""


class World:
    """A project in a repository's folder, and the runs of it."""

    def __init__(self, folder: Path) -> None:
        self.top = folder / "repository"
        self.beside = folder / "beside"
        self.beside.mkdir()
        self.variables = {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        self.arguments: list[str] = []
        self.input: int | str = subprocess.DEVNULL
        (folder / "bin").mkdir()
        self.bin = folder / "bin"
        self.write("bin/tool*", "#!/bin/sh\necho one\n", folder)
        make_repository(
            self.top, {".gitignore": "data\nout.txt\n__pycache__\n", "project/a.py": "1\n", "lib/b.py": "1\n"}
        )
        self.folder = self.top / "project"
        self.project()

    def project(
        self, command: str = "cat a.py > out.txt", outputs: str = "[out.txt]", other: str = "x"
    ) -> None:
        self.write("MLproject", MLPROJECT.format(command=command, outputs=outputs, other=other))

    def write(self, name: str, text: str, top: Path | None = None) -> None:
        make_tree(top or self.folder, {name: text})

    def hit(self, *more: str) -> bool:
        """Runs it with --cached; whether nothing was run."""
        words = ["run", str(self.folder), "--cached", "--json", *self.arguments, *more]
        if self.input == subprocess.DEVNULL:
            code, out, err = proj(*words, **self.variables)
        else:
            done = subprocess.run(
                [sys.executable, "-m", "runner", *words],
                env={**os.environ, **self.variables},
                stdin=self.input if isinstance(self.input, int) else None,
                input=self.input if isinstance(self.input, str) else None,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            code, out, err = done.returncode, done.stdout, done.stderr
        assert code == 0, err
        return "nothing was run" in str(json.loads(out)["message"])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def commands(command: str, **more: str) -> Callable[[World], None]:
    return lambda world: world.project(command, **more)


def variable(name: str, value: str) -> Callable[[World], None]:
    return lambda world: world.variables.update({name: value})


def arguments(*words: str) -> Callable[[World], None]:
    return lambda world: world.arguments.extend(words)


def writes(name: str, text: str) -> Callable[[World], None]:
    return lambda world: world.write(name, text)


def nothing(world: World) -> None:
    pass


def links_to_beside(world: World) -> None:
    (world.beside / "x").write_text("1")
    (world.folder / "link").symlink_to(world.beside)


def write_above(world: World, name: str, text: str) -> None:
    world.write(name, text, world.top.parent)


def looks_above(name: str, text: str) -> Callable[[World], None]:
    """A text of the project that leads, in pieces, to a file above its repository."""

    def before(world: World) -> None:
        world.write(name, text.format(top=world.top.parent))
        write_above(world, "d.csv", "1")

    return before


def writes_above(world: World) -> None:
    write_above(world, "d.csv", "2")


# what is there at first, what changes then
CHANGES: dict[str, tuple[Callable[[World], None], Callable[[World], None]]] = {
    "code": (nothing, writes("a.py", "2\n")),
    "code beside the project": (nothing, lambda world: make_tree(world.top, {"lib/b.py": "2\n"})),
    "a mode": (nothing, lambda world: os.chmod(world.folder / "a.py", 0o755)),
    "an untracked file": (nothing, writes("new.py", "")),
    "a file that git ignores": (writes("data/x.csv", "1"), writes("data/x.csv", "2")),
    "a new file that git ignores": (writes("data/x.csv", "1"), writes("data/y.csv", "1")),
    "the command": (nothing, commands("cat ./a.py > out.txt")),
    "a parameter": (nothing, arguments("-P", "n=2")),
    "a variable of the command": (commands("echo $SIZE > out.txt"), variable("SIZE", "2")),
    "a braced variable": (commands("echo ${{SIZE:-1}} > out.txt"), variable("SIZE", "2")),
    "PYTHONPATH": (nothing, variable("PYTHONPATH", "/somewhere")),
    "the number of threads": (nothing, variable("OMP_NUM_THREADS", "3")),
    "a seed": (nothing, arguments("--seed", "3")),
    "how Python is told to run": (nothing, variable("PYTHONOPTIMIZE", "1")),
    "who runs it": (writes("b.py", "import getpass\ngetpass.getuser()\n"), variable("LOGNAME", "bob")),
    "words that are passed on": (nothing, arguments("--", "a.py")),
    "isolation": (variable("PYTHONPATH", "/somewhere"), arguments("--isolated")),
    "a program on PATH": (
        commands("tool > out.txt"),
        lambda world: make_tree(world.bin, {"tool*": "#!/bin/sh\necho two\n"}),
    ),
    "a file outside": (
        lambda world: (
            world.project(f"cat {world.beside}/d.csv > out.txt") or world.write("d.csv", "1", world.beside)
        ),
        lambda world: world.write("d.csv", "2", world.beside),
    ),
    "code that an output's pattern does not stand for": (
        lambda world: (
            world.project("cat conf/x.json > out.json", outputs="['*.json']")
            or world.write("conf/x.json", "1")
        ),
        writes("conf/x.json", "2"),
    ),
    "a variable that only the code names": (
        writes("a.py", "import os\nos.environ.get('SIZE')\n"),
        variable("SIZE", "2"),
    ),
    "a file that a path in the code leads to": (
        lambda world: (
            world.write("a.py", f"open('{world.beside}/d.csv')\n") or world.write("d.csv", "1", world.beside)
        ),
        lambda world: world.write("d.csv", "2", world.beside),
    ),
    "a file that comes to be where the code looks": (
        lambda world: world.write("a.py", f"open('{world.beside}/d.csv')\n"),
        lambda world: world.write("d.csv", "2", world.beside),
    ),
    "a file that a variable leads to": (
        lambda world: (
            world.project("cat $DATA > out.txt")
            or world.variables.update(DATA=f"{world.beside}/d.csv")
            or world.write("d.csv", "1", world.beside)
        ),
        lambda world: world.write("d.csv", "2", world.beside),
    ),
    "a module on PYTHONPATH": (
        lambda world: (
            world.variables.update(PYTHONPATH=str(world.beside)) or world.write("m.py", "1", world.beside)
        ),
        lambda world: world.write("m.py", "2", world.beside),
    ),
    "a program that only a script names": (
        writes("run.sh", "tool > out.txt\n"),
        lambda world: make_tree(world.bin, {"tool*": "#!/bin/sh\necho two\n"}),
    ),
    "a file that git ignores beside the project": (
        lambda world: (
            world.write("a.py", "open('../data/x')\n") or (make_tree(world.top, {"data/x": "1"}) and None)
        ),
        lambda world: make_tree(world.top, {"data/x": "2"}),
    ),
    "a file that a nested repository ignores": (
        lambda world: (
            make_repository(world.folder / "inner", {".gitignore": "x\n", "b": ""})
            and world.write("inner/x", "1")
        ),
        writes("inner/x", "2"),
    ),
    "a link deep in an ignored folder": (
        writes("data/a/b/c", ""),
        lambda world: os.symlink(world.beside, world.folder / "data/a/b/link"),
    ),
    "an empty folder in an input": (
        lambda world: (
            world.write("data/in/x", "1")
            or world.write(
                "MLproject",
                "entry_points: {main: {command: ls data/in > out.txt, inputs: [data/in], outputs: [out.txt]}}\n",
            )
        ),
        lambda world: os.mkdir(world.folder / "data/in/new"),
    ),
    "an empty folder": (nothing, lambda world: os.mkdir(world.folder / "flag")),
    "compiled code without a source": (
        lambda world: make_tree(world.top, {".gitignore": "*.pyc\nout.txt\n"}) and world.write("m.pyc", "1"),
        writes("m.pyc", "2"),
    ),
    "an output that somebody edited": (nothing, writes("out.txt", "edited\n")),
    **{
        f"a file of a path in pieces: {text}": (looks_above(name, text), writes_above)
        for name, text in {
            "a.py": "os.path.join('{top}', 'd.csv')",
            "b.py": "Path(__file__).resolve().parents[2] / 'd.csv'",
            "c.py": "B = '{top}'\nopen(f'{{B}}/d.csv')",
            "d.py": "join(dirname(dirname(__file__)), '..', 'd.csv')",
            "e.py": "os.chdir('../..')\nopen('d.csv')",
            "f.sh": "D={top}\ncat $D/d.csv",
            "g.sh": "cd ../..\ncat d.csv",
            "i.sh": '. "$HERE/../../d.csv"',
            "j.py": "Path.cwd().parent.parent / 'd.csv'",
            "k.py": "glob(os.path.join('{top}', '*.csv'))",
            "h.yaml": "base: {top}\nfile: d.csv",
            "l.py": "open('{top}' '/d' + '.csv')",
            "m.py": "f'../../{{name}}.csv'",
            "n.py": "join('..', '..', name + '.csv')",
            "o.py": "f'../../d.{{ending}}'",
            "p.py": "'../../d.%s' % ending",
            "q.py": "while not exists(join(d, 'd.csv')): d = dirname(d)",
            "r.py": "[p / 'd.csv' for p in Path(__file__).parents]",
            "s.json": '{{"data": "./../../d.csv"}}',
            "Makefile": "D = {top}\nx:\n\tcat $(D)/d.csv",
        }.items()
    },
    "a module above the repository": (
        lambda world: (
            world.write("a.py", "sys.path += ['../..']\nimport d\n") or write_above(world, "d.py", "1")
        ),
        lambda world: write_above(world, "d.py", "2"),
    ),
    "a file in the folder of a parameter, named by the code": (
        lambda world: (
            world.project("true a.py {top} > out.txt".replace("{top}", str(world.top.parent)))
            or world.write("a.py", "open(sys.argv[1] + '/d.csv')\n")
            or write_above(world, "d.csv", "1")
        ),
        lambda world: write_above(world, "d.csv", "2"),
    ),
    "a file where the command goes": (
        lambda world: world.project("(cd ../.. && cat d.csv) > out.txt") or write_above(world, "d.csv", "1"),
        lambda world: write_above(world, "d.csv", "2"),
    ),
    "a variable of which the code spells the beginning": (
        writes("a.py", "os.environ['FX_' + name]\n"),
        variable("FX_MODE", "2"),
    ),
    "a variable of a class of settings": (
        writes("a.py", "class S(BaseSettings):\n  model_size: str\n"),
        variable("MODEL_SIZE", "2"),
    ),
    "a variable of a loop": (
        writes("a.py", "for name, value in os.environ.items(): print(name)\n"),
        variable("ANYTHING", "2"),
    ),
    "the commit that the command asks for": (
        commands("git rev-parse HEAD > out.txt"),
        lambda world: git(world.top, "commit", "-qm", "second", "--allow-empty") and None,
    ),
    "the tag that the code asks for": (
        writes("a.py", "subprocess.run(['git', 'describe'])\n"),
        lambda world: git(world.top, "tag", "v2") and None,
    ),
}
SAME: dict[str, tuple[Callable[[World], None], Callable[[World], None]]] = {
    "nothing": (nothing, nothing),
    "another entry point of the file": (nothing, commands("cat a.py > out.txt", other="y")),
    "a comment in MLproject": (
        nothing,
        lambda world: world.write("MLproject", (world.folder / "MLproject").read_text() + "# why\n"),
    ),
    "the outputs themselves": (nothing, lambda world: (world.folder / "out.txt").unlink()),
    "a commit of the same files": (
        writes("new.py", ""),
        lambda world: (
            (git(world.top, "add", "-A") and None) or (git(world.top, "commit", "-qm", "second") and None)
        ),
    ),
    "a variable that nothing names": (nothing, variable("SIZE", "2")),
    "the terminal": (nothing, variable("TERM", "dumb")),
    "bytecode": (nothing, writes("__pycache__/a.pyc", "x")),
    "the time of a file": (nothing, lambda world: os.utime(world.folder / "a.py", (1, 1))),
    "the name of the run": (nothing, arguments("--run-name", "mine", "-t", "a=b")),
    "what nothing names above the repository": (
        writes("a.py", "Path(__file__).parents[2] / 'd.csv'\n"),
        lambda world: write_above(world, "e.csv", "1"),
    ),
}


USUAL = (
    "code", "an untracked file", "a file that git ignores", "the command", "a parameter", "a variable of the command",
    "a program on PATH", "a file outside", "an output that somebody edited", "nothing", "another entry point of the file",
    "the outputs themselves", "a variable that nothing names", "bytecode",
)  # fmt: skip


def usual_first(cases: dict[str, Any]) -> list[Any]:
    """The others are of the same kinds, and wait for CI."""
    return [case if case in USUAL else pytest.param(case, marks=pytest.mark.slow) for case in cases]


@pytest.mark.parametrize("case", usual_first(CHANGES), ids=str)
def test_what_can_change_the_result_is_run(world: World, case: str) -> None:
    before, after = CHANGES[case]
    before(world)
    assert not world.hit()
    assert world.hit()
    after(world)
    assert not world.hit()


@pytest.mark.parametrize("case", usual_first(SAME), ids=str)
def test_what_cannot_change_it_is_not_run_again(world: World, case: str) -> None:
    before, after = SAME[case]
    before(world)
    assert not world.hit()
    after(world)
    assert world.hit()


def editable(world: World) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(world.beside / "v")], check=True)
    (site,) = (world.beside / "v" / "lib").glob("python3*/site-packages")
    told: dict[str, Any] = {"url": f"file://{world.beside}", "dir_info": {"editable": True}}
    make_tree(site / "dev-1.0.dist-info", {"METADATA": "Name: dev\n", "direct_url.json": json.dumps(told)})
    world.arguments += ["--env", str(world.beside / "v")]


def piped(world: World) -> None:
    world.input = "1\n"


def both(world: World) -> None:
    text = (world.folder / "MLproject").read_text()
    world.write("MLproject", text.replace("    outputs:", "    inputs: [out.txt]\n    outputs:"))


def links_deep(world: World) -> None:
    world.write("a/b/c/d", "")
    (world.folder / "a/b/c/link").symlink_to(world.beside)


def reads_the_network(world: World) -> None:
    world.write("a.py", "from urllib.request import urlopen\nurlopen('http://127.0.0.1:9/')\n")


def reads_the_clock(world: World) -> None:
    world.project("date +%Y > out.txt")


def goes_on(world: World) -> None:
    world.project("echo x >> out.txt")
    assert not world.hit()
    subprocess.run([sys.executable, "-m", "runner", "run", str(world.folder), "-q"], check=True)


@pytest.mark.parametrize(
    "case",
    some(
        [piped, links_to_beside, reads_the_network, goes_on, links_deep, editable, both, reads_the_clock], 4
    ),
)
def test_what_cannot_be_known_is_run_each_time(world: World, case: Callable[[World], None]) -> None:
    case(world)
    assert not world.hit()
    assert not world.hit()


STEPS = """\
name: keyed
entry_points:
  main: {{command: "{python} -m runner run . -q -e prep && cat prep.csv > out.txt", outputs: [out.txt]}}
  prep: {{command: "echo 1 > prep.csv", outputs: [prep.csv]}}
"""


@pytest.mark.parametrize("ignored", ["prep.csv\nout.txt\n", "out.txt\n"])
def test_what_a_step_left_is_no_change(world: World, ignored: str) -> None:
    world.write(".gitignore", ignored)
    world.write("MLproject", STEPS.format(python=sys.executable))
    assert not world.hit()
    assert world.hit()
    world.write("prep.csv", "edited")
    assert not world.hit()


def test_files_of_another_run_do_not_stay(world: World) -> None:
    world.project("echo {n} > a.txt; test {n} = 1 || echo {n} > b.txt", outputs="[a.txt, b.txt]")
    world.write(".gitignore", "a.txt\nb.txt\n")
    for n in ("1", "2"):
        assert not world.hit("-P", f"n={n}")
    assert world.hit("-P", "n=1")
    assert (world.folder / "a.txt").read_text() == "1\n"
    assert not (world.folder / "b.txt").exists()


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("out.json", "*.json", True),
        ("conf/out.json", "*.json", False),
        ("conf/out.json", "conf/*.json", True),
        ("conf/out.json", "**/*.json", True),
        ("out.json", "**/*.json", True),
        ("a/b/c.txt", "a", True),
        ("a/b/c.txt", "./a/", True),
        ("ab/c.txt", "a", False),
        (".hidden.json", "*.json", False),
        ("x1.txt", "x[0-9].txt", True),
        ("xa.txt", "x[!0-9].txt", True),
        ("x1.txt", "x?.txt", True),
        ("x/1.txt", "x?1.txt", False),
        ("a+b.txt", "a+b.txt", True),
        ("aab.txt", "a+b.txt", False),
        ("a/x/y/c", "a/**/c", True),
        ("a/c", "a/**/c", True),
    ],
)
def test_a_pattern_stands_for_what_glob_finds(
    tmp_path: Path, name: str, pattern: str, expected: bool
) -> None:
    assert matcher([pattern])(name) is expected
    from runner.data.inputs import expand

    make_tree(tmp_path / "p", {name: ""})
    found = expand(pattern, str(tmp_path / "p"))
    path = str(tmp_path / "p" / name)
    assert any(path == each or path.startswith(f"{each}/") for each in found) is expected
