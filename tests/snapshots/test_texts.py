"""Which paths a project names that its snapshot does not have."""

from __future__ import annotations

import os
from pathlib import Path

from runner.snapshots import texts
from tests.helpers import make_tree


def test_only_what_is_there_and_outside(tmp_path: Path) -> None:
    make_tree(tmp_path, {"lib/x.py": "x\n", "data/a.csv": "1\n", "repo/common/m.py": "m\n"})
    root = make_tree(tmp_path / "repo", {
        "project/MLproject": "entry_points:\n  main: {command: 'cat ../../data/a.csv'}\n",
        "project/train.py": "import sys\nsys.path += ['../../lib', '../common', '../../gone', '../..']\n",
        "project/deep/er.py": "open('../../../data/a.csv')  # as seen from here\n",
        "project/.venv/lib.py": "'../../../lib'", "project/node_modules/a.js": "'../../../lib'",
        "project/image.png": b"\0../../data/a.csv",
        "project/urls.py": "'https://host/../../lib', 'a/../../lib'\n",
    })  # fmt: skip
    found = texts.named(f"{root}/project", f"{root}/project", root, "")
    assert found.places == (f"{tmp_path}/data/a.csv", f"{tmp_path}/lib")
    assert found.within == (f"{root}/common",)


def test_what_was_found_is_remembered_for_its_tree(tmp_path: Path) -> None:
    make_tree(tmp_path, {"lib/x.py": "x\n", "more/y.py": "y\n"})
    root = make_tree(tmp_path / "code", {"train.py": "'../lib'\n"})
    assert texts.named(root, root, root, "one").places == (f"{tmp_path}/lib",)
    make_tree(root, {"train.py": "'../lib ../more'\n"})
    assert texts.named(root, root, root, "one").places == (f"{tmp_path}/lib",)
    assert texts.named(root, root, root, "two").places == (
        f"{tmp_path}/lib",
        f"{tmp_path}/more",
    )
    os.unlink(tmp_path / "lib/x.py")
    os.rmdir(tmp_path / "lib")
    assert texts.named(root, root, root, "two").places == (f"{tmp_path}/more",)


def test_a_pipe_among_the_texts_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.py")
    assert texts.named(str(tmp_path), str(tmp_path), str(tmp_path), "").places == ()


def test_outputs_and_ignored_files_say_nothing(tmp_path: Path) -> None:
    """What a program wrote may name anything, such as the folder of its interpreter."""
    make_tree(tmp_path, {"x": "", "y": ""})
    root = make_tree(
        tmp_path / "code", {"a.py": f"'{tmp_path}/x'", "out": f"{tmp_path}/y", "data/b.txt": f"{tmp_path}/y"}
    )
    found = texts.named(root, root, root, "", (f"{root}/out", f"{root}/data"))
    assert found.places == (f"{tmp_path}/x",)


def test_what_texts_name(tmp_path: Path) -> None:
    make_tree(tmp_path, {"my data/d.csv": "", "g/1.csv": "", "cfg": "", "lnk": ""})
    root = make_tree(tmp_path / "code", {
        "a.py": (
            f"open('{tmp_path}/my data/d.csv'); glob('{tmp_path}/g/*.csv'); f'{tmp_path}/g/{{name}}.csv'\n"
            "subprocess.run(['tool-a', '-x']); os.environ['lower_case']; 'https://host/etc'\n"
        ),
        "b.sh": f"export MODE=1\ntool-b --config={tmp_path}/cfg | tool-c\necho $other\n",
        "c.py": "requests.get('http://127.0.0.1/a')\n",
        "words.json": '{"text": "SOME CAPITALS"}',
    })  # fmt: skip
    os.symlink(tmp_path, f"{root}/link")
    found = texts.named(root, root, root, "")
    assert found.places == (f"{tmp_path}/cfg", f"{tmp_path}/g", f"{tmp_path}/my data/d.csv")
    assert {"tool-a", "tool-b", "tool-c"} <= set(found.programs)
    assert {"lower_case", "MODE", "other"} <= set(found.variables)
    assert "CAPITALS" not in found.variables
    assert found.links == ("link",)
    assert (found.remote, found.addresses) == ("c.py", ("http://127.0.0.1/a",))
