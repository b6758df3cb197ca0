"""`proj exec`, `proj shell`, `proj env kernel`: a project's environment without a run."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import termios
import time

import pytest

from runner import paths
from tests.helpers import make_tree, proj, some

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
FILES = {
    "MLproject": "name: it's envy\npython_env: python_env.yaml\nentry_points:\n  main: {command: 'true'}\n",
    "python_env.yaml": f'python: "{VERSION}"\nbuild_dependencies: []\ndependencies: []\n',
    "src/x": "",
}


@pytest.fixture
def folder(tmp_path: object) -> str:
    subprocess.run(["git", "init", "-q", make_tree(f"{tmp_path}/envy", FILES)], check=True)
    return f"{tmp_path}/envy"


def test_a_command_runs_in_the_environment_where_we_are(folder: str) -> None:
    line = "import sys, os; print(sys.prefix, os.getcwd(), sys.argv[1:]); sys.exit(7)"
    done = proj("exec", "-q", "python", "-c", line, "-q", "--", "-x", cwd=f"{folder}/src")
    environments = os.path.join(paths.cache(), "environments")
    assert done.code == 7
    assert done.out.startswith(environments)
    assert done.out.endswith(f"{os.path.realpath(folder)}/src ['-q', '--', '-x']\n")
    behind = proj("exec", "-q", "-C", folder, "--", "python", "-c", line, cwd="/")
    assert behind.out.endswith(" / []\n")
    assert proj("runs", "--json", "--all").out == "[]\n"
    missing = proj("exec", "-q", "no-such-program", cwd=folder)
    assert missing.code == 2
    assert "no-such-program is not in the environment" in missing.err
    assert proj("exec", cwd=folder).code == 2


def test_the_environment_is_in_use_as_long_as_the_command_is(folder: str) -> None:
    busy = subprocess.Popen(
        [sys.executable, "-m", "runner", "exec", "-q", "sh", "-c", "echo on; read x"],
        cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert busy.stdout is not None
    assert busy.stdout.readline() == "on\n"
    (row,) = json.loads(proj("env", "ls", "--json").out)
    assert row["in_use"]
    assert proj("env", "rm", row["key"]).code == 2
    busy.communicate("x\n")
    assert proj("env", "rm", row["key"]).code == 0


@pytest.mark.parametrize("shell", some(["bash", "zsh", "fish", "sh"], 2))
def test_a_shell_has_the_environment_whatever_its_settings_say(folder: str, shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    home = make_tree(
        f"{folder}/home",
        {".bashrc": "PATH=/usr/bin:/bin:$PATH\n", ".zshrc": "PATH=/usr/bin:/bin:$PATH\n",
         ".config/fish/config.fish": "set -gx PATH /usr/bin /bin $PATH\n"},
    )  # fmt: skip
    asked = proj("env", "kernel", "-q", cwd=folder)
    interpreter = asked.out.strip()
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ.update(SHELL=program, HOME=home, TERM="dumb", ZDOTDIR=home)
        os.environ.pop("XDG_CONFIG_HOME", None)
        os.execv(sys.executable, [sys.executable, "-m", "runner", "shell", "-q"])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 300, 0, 0))
    select.select([terminal], [], [], 20)  # its prompt
    time.sleep(0.5)
    os.write(terminal, b"command -v python > found; exit\n")
    text = b""
    try:
        while piece := os.read(terminal, 4096):
            text += piece
    except OSError:
        pass  # it has ended
    os.waitpid(pid, 0)
    with open(f"{folder}/found", encoding="utf-8") as file:
        assert file.read().strip() == interpreter, text
    left = os.listdir(paths.cache("tmp")) if os.path.isdir(paths.cache("tmp")) else []
    assert [name for name in left if name.startswith("shell-")] == []
    if shell in ("bash", "zsh"):
        assert "(it's envy) " in text.decode()


def test_a_shell_in_a_shell_is_refused(folder: str) -> None:
    done = proj("shell", cwd=folder, PROJ_SHELL="envy")
    assert done.code == 2
    assert "exit" in done.err


def test_an_interpreter_for_an_editor_and_a_kernel(folder: str, tmp_path: object) -> None:
    answer = json.loads(proj("env", "kernel", "--json", "-q", cwd=f"{folder}/src").out)
    assert os.access(answer["python"], os.X_OK)
    refused = proj("env", "kernel", "--install", "-q", cwd=folder)
    assert refused.code == 2
    assert "ipykernel" in refused.err
    site = subprocess.run(
        [answer["python"], "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    make_tree(
        site, {"ipykernel.py": "", "ipykernel_launcher.py": "import sys; print(sys.prefix, sys.argv[1:])"}
    )
    done = proj(
        "env", "kernel", "--install", "--json", "-q", cwd=folder, JUPYTER_DATA_DIR=f"{tmp_path}/jupyter"
    )
    installed = json.loads(done.out)["kernel"]
    assert installed == f"{tmp_path}/jupyter/kernels/proj-it-s-envy"
    with open(f"{installed}/kernel.json", encoding="utf-8") as file:
        kernel = json.load(file)
    words = [word.replace("{connection_file}", "/c.json") for word in kernel["argv"]]
    started = subprocess.run(words, capture_output=True, text=True, check=True, cwd="/")
    assert started.stdout == f"{os.path.dirname(os.path.dirname(answer['python']))} ['-f', '/c.json']\n"
    assert kernel["language"] == "python"
