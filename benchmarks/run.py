"""What `proj run` costs on top of the command: interleaved runs of the bare command and of other runners.

    python benchmarks/run.py [--runs 15] [--mlflow PATH/TO/mlflow] [--only warm,startup,git,cold,output]

Prints medians in milliseconds and ratios; every figure of the README and of notes comes from here. Everything is
made in a temporary folder. Times of one row are taken in turn (A B C A B C ...), so a drifting machine hits all.
"""

from __future__ import annotations

import argparse
import os
import pty
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping

Commands = Mapping[str, tuple[list[str], str]]  # name -> (argv, folder)

TRIVIAL = {
    "MLproject": "name: trivial\nentry_points:\n  main:\n    command: python train.py\n",
    "train.py": "print('hello')\n",
}
TINY_ENV = 'python: "3.11"\ndependencies:\n  - six\n'
ML_ENV = 'python: "3.11"\ndependencies:\n  - numpy\n  - pandas\n  - scikit-learn\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--mlflow", default="", help="the mlflow program to compare with")
    parser.add_argument("--only", default="startup,warm,git,output,cold")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="proj-bench-")
    os.environ.update(PROJ_HOME=os.path.join(folder, "home"), GIT_CONFIG_GLOBAL=os.devnull)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        for name in options.only.split(","):
            globals()[f"bench_{name}"](folder, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def proj() -> str:
    """The console script beside this interpreter, as a user would call it."""
    return os.path.join(os.path.dirname(sys.executable), "proj")


def uv() -> str:
    from uv import find_uv_bin

    return str(find_uv_bin())


def write(folder: str, files: Mapping[str, str]) -> str:
    os.makedirs(folder, exist_ok=True)
    for name, text in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    return folder


def git(folder: str, *words: str) -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "-C", folder, *identity, *words], check=True, capture_output=True)


def once(argv: list[str], folder: str) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    took = time.perf_counter() - began
    assert done.returncode == 0, f"{argv}: {done.stderr.decode()[-2000:]}"
    return took * 1000


def interleaved(
    commands: Commands, runs: int, reset: Mapping[str, Callable[[], None]] | None = None
) -> dict[str, float]:
    """Median milliseconds of each, after one run that does not count."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, (argv, folder) in commands.items():
            if reset and name in reset:
                reset[name]()
            took = once(argv, folder)
            if turn:
                times[name].append(took)
    return {name: statistics.median(values) for name, values in times.items()}


def show(title: str, medians: dict[str, float], base: str) -> None:
    print(f"\n{title}\n{'':34} {'median ms':>10} {'over ' + base:>16} {'ratio':>8}")
    for name, value in medians.items():
        print(f"{name:34} {value:10.1f} {value - medians[base]:16.1f} {value / medians[base]:8.2f}")


def bench_startup(folder: str, options: argparse.Namespace) -> None:
    commands = {
        "python -c pass": ([sys.executable, "-c", "pass"], folder),
        "proj --version": ([proj(), "--version"], folder),
        "proj --help": ([proj(), "--help"], folder),
        "proj run --help": ([proj(), "run", "--help"], folder),
    }
    show("start-up", interleaved(commands, options.runs), "python -c pass")


def bench_warm(folder: str, options: argparse.Namespace) -> None:
    plain = write(os.path.join(folder, "plain"), TRIVIAL)
    env = write(os.path.join(folder, "env"), {**TRIVIAL, "python_env.yaml": TINY_ENV})
    with open(os.path.join(env, "MLproject"), "a", encoding="utf-8") as file:
        file.write("python_env: python_env.yaml\n")
    git(env, "init", "-q", "-b", "main")
    git(env, "add", "-A")
    git(env, "commit", "-q", "-m", "first")
    subprocess.run([proj(), "run", env, "-q"], check=True, stdout=subprocess.DEVNULL)
    prefix = os.path.join(os.environ["PROJ_HOME"], "cache", "environments")
    env_python = next(
        os.path.join(prefix, name, "bin", "python")
        for name in os.listdir(prefix)
        if os.path.isdir(os.path.join(prefix, name))
    )
    # for --env-manager local: the very same interpreter
    os.environ["PATH"] = os.path.dirname(env_python) + os.pathsep + os.environ["PATH"]
    real = os.path.realpath(env_python)
    project = write(os.path.join(folder, "uvproject"), {"train.py": TRIVIAL["train.py"]})
    write(
        project,
        {
            "pyproject.toml": '[project]\nname="x"\nversion="1"\nrequires-python=">=3.10"\ndependencies=["six"]\n'
        },
    )
    subprocess.run([uv(), "sync", "-q", "--python", real], cwd=project, check=True)
    commands = {
        "bare: env/bin/python train.py": ([env_python, "train.py"], env),
        "uv run --frozen": ([uv(), "run", "--frozen", "python", "train.py"], project),
        "uv run": ([uv(), "run", "python", "train.py"], project),
        "proj run, local, not in git": ([proj(), "run", plain, "--env-manager", "local"], plain),
        "proj run, virtualenv, in git": ([proj(), "run", env], env),
    }
    show("warm: a trivial script", interleaved(commands, options.runs), "bare: env/bin/python train.py")
    if options.mlflow:
        commands = {
            "bare: env/bin/python train.py": commands["bare: env/bin/python train.py"],
            **{name: command for name, command in commands.items() if name.startswith("proj")},
            "mlflow run --env-manager local": (
                [options.mlflow, "run", plain, "--env-manager", "local"],
                plain,
            ),
        }
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        show("against mlflow run", interleaved(commands, 3), "bare: env/bin/python train.py")
        del os.environ["MLFLOW_TRACKING_URI"]


def bench_git(folder: str, options: argparse.Namespace) -> None:
    repository = write(os.path.join(folder, "repository"), TRIVIAL)
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "first")
    url = f"file://{repository}"
    commands = {
        "proj run FOLDER": ([proj(), "run", repository, "--env-manager", "local"], folder),
        "git ls-remote": (["git", "ls-remote", "-q", url, "HEAD"], folder),
        "proj run GIT-URL": ([proj(), "run", url, "--env-manager", "local"], folder),
    }
    medians = interleaved(commands, options.runs)
    show("second run of a git URL", medians, "proj run FOLDER")
    extra = medians["proj run GIT-URL"] - medians["git ls-remote"]
    print(f"(GIT-URL - ls-remote) / FOLDER = {extra / medians['proj run FOLDER']:.2f}")


def bench_output(folder: str, options: argparse.Namespace) -> None:
    project = write(
        os.path.join(folder, "output"),
        {"MLproject": "name: o\nentry_points:\n  main:\n    command: head -c 100000000 /dev/zero\n"},
    )
    commands = {
        "bash | tee": (
            ["bash", "-c", f"head -c 100000000 /dev/zero | tee {folder}/log | cat >/dev/null"],
            folder,
        ),
        "proj run": (["bash", "-c", f"{proj()} run {project} -q | cat >/dev/null"], folder),
    }
    show("100 MB through pipes", interleaved(commands, max(3, options.runs // 3)), "bash | tee")
    lines = {"MLproject": "name: o\nentry_points:\n  main:\n    command: seq 8000000\n"}
    project = write(os.path.join(folder, "lines"), lines)
    times: dict[str, list[float]] = {"bare on a terminal": [], "proj run on a terminal": []}
    for _ in range(max(3, options.runs // 3)):
        times["bare on a terminal"].append(on_terminal(["seq", "8000000"]))
        times["proj run on a terminal"].append(on_terminal([proj(), "run", project, "-q"]))
    show(
        "8,000,000 lines (63 MB) to a terminal",
        {k: statistics.median(v) for k, v in times.items()},
        "bare on a terminal",
    )


def on_terminal(argv: list[str]) -> float:
    began = time.perf_counter()
    pid, ours = pty.fork()
    if pid == 0:
        os.execvp(argv[0], argv)
    while True:
        try:
            if not os.read(ours, 1 << 16):
                break
        except OSError:
            break
    os.waitpid(pid, 0)
    os.close(ours)
    return (time.perf_counter() - began) * 1000


def bench_cold(folder: str, _: argparse.Namespace) -> None:
    project = write(os.path.join(folder, "ml"), {**TRIVIAL, "python_env.yaml": ML_ENV})
    with open(os.path.join(project, "MLproject"), "a", encoding="utf-8") as file:
        file.write("python_env: python_env.yaml\n")
    subprocess.run(
        [proj(), "run", project, "-q"], check=True, stdout=subprocess.DEVNULL
    )  # packages and lock are kept now
    prefix = os.path.join(os.environ["PROJ_HOME"], "cache", "environments")
    key = max(
        (n for n in os.listdir(prefix) if n.endswith(".lock")),
        key=lambda n: os.path.getmtime(os.path.join(prefix, n)),
    )
    lock = os.path.join(folder, "requirements.lock")
    shutil.copy(os.path.join(prefix, key), lock)
    target = os.path.join(folder, "uv-env")
    python = os.path.realpath(os.path.join(prefix, key.removesuffix(".lock"), "bin", "python"))
    line = f"{uv()} venv -q --no-project --python {python} {target} && VIRTUAL_ENV={target} {uv()} pip sync -q {lock}"
    commands = {
        "uv venv && uv pip sync": (["bash", "-c", line], folder),
        "proj run, cold environment": ([proj(), "run", project, "-q"], project),
    }
    reset = {
        "uv venv && uv pip sync": lambda: shutil.rmtree(target, ignore_errors=True),
        "proj run, cold environment": lambda: shutil.rmtree(prefix, ignore_errors=True),
    }
    show(
        "cold: numpy, pandas, scikit-learn; lock and packages kept",
        interleaved(commands, 5, reset),
        "uv venv && uv pip sync",
    )


if __name__ == "__main__":
    main()
