"""What is installed: templates and schema are found from a wheel and from a checkout; start-up imports stay few."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile

import pytest

from runner import paths
from tests.helpers import make_tree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# each costs milliseconds; none is needed to run a project whose environment is there
HEAVY = (
    *(
        "typer",
        "rich",
        "yaml",
        "docker",
        "git",
        "virtualenv",
        "sqlite3",
        "subprocess",
        "dataclasses",
        "inspect",
    ),
    "typing",  # what is needed of it while a run is made is in runner/typed.py; the rest, below `if TYPE_CHECKING:`
    *(
        "pathlib",
        "hashlib",
        "logging",
        "asyncio",
        "socket",
        "tempfile",
        "shutil",
        "urllib.parse",
        "importlib.metadata",
    ),
)
MODULES = 92  # of ours that a warm run imports, at most: each takes 0.2 ms


def test_shipped_files_are_found_in_a_checkout() -> None:
    assert os.path.isfile(paths.shipped("MLproject.schema.json"))
    assert os.path.isdir(paths.shipped("templates"))


def test_a_warm_run_imports_nothing_heavy(tmp_path: object) -> None:
    folder = make_tree(
        os.path.join(str(tmp_path), "p"), {"MLproject": "name: p\nentry_points:\n  main: {command: 'true'}\n"}
    )
    code = (
        "import sys, time, runner.cli.main as m\n"
        f"first = m.main(['run', {folder!r}, '-q']); time.sleep(0.2)\n"
        f"first = m.main(['run', {folder!r}, '-q'])\n"
        "before = set(sys.modules)\n"
    )
    script = (
        f"import sys, runner.cli.main as m; code = m.main(['run', {folder!r}, '-q'])\n"
        f"print(code, sorted(set({HEAVY!r}) & set(sys.modules)))\n"
        "ours = [module for name, module in sys.modules.items() if name.startswith('runner')]\n"
        # a tuple that typing made has bases of its own, and cost three of runner/typed.py
        "print([f'{each.__name__}.{name}' for each in ours for name, value in vars(each).items()\n"
        "       if issubclass(type(value), type) and issubclass(value, tuple) and '__orig_bases__' in vars(value)])\n"
        f"print(len(ours) <= {MODULES}, len(ours))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {ROOT!r})\n{script}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("0 []\n[]\nTrue"), done.stdout + done.stderr


@pytest.mark.network
@pytest.mark.slow
def test_a_wheel_carries_everything(tmp_path: object) -> None:
    from uv import find_uv_bin

    out = str(tmp_path)
    subprocess.run(
        [find_uv_bin(), "build", "-q", "--wheel", "--out-dir", out, ROOT], check=True, capture_output=True
    )
    (wheel,) = [name for name in os.listdir(out) if name.endswith(".whl")]
    names = zipfile.ZipFile(os.path.join(out, wheel)).namelist()
    assert "runner/shipped/MLproject.schema.json" in names
    assert any(name.startswith("runner/shipped/templates/") for name in names)
    target = os.path.join(out, "env")
    subprocess.run(
        [find_uv_bin(), "venv", "-q", "--python", sys.executable, target], check=True, capture_output=True
    )
    python = os.path.join(target, "bin", "python")
    subprocess.run(
        [find_uv_bin(), "pip", "install", "-q", "--python", python, os.path.join(out, wheel)],
        check=True,
        capture_output=True,
    )
    script = "from runner import paths; import os; print(os.path.isfile(paths.shipped('MLproject.schema.json')), os.path.isdir(paths.shipped('templates')))"
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, cwd=out, check=True)
    assert done.stdout == "True True\n"
    assert subprocess.run(
        [os.path.join(target, "bin", "proj"), "--version"], capture_output=True, check=True
    ).stdout
