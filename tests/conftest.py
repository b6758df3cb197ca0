"""What every test gets: a home of its own, no way to the user's files, git that speaks file:// only."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.helpers import examples

REAL_HOME = os.path.expanduser("~")
pytest_plugins = [
    "tests.servers",
    "tests.ci_lines",
    "tests.browser",
]  # servers and clients, for the tests of several rooms
IN_CI = bool(os.environ.get("PROJ_TEST_ALL"))  # .ci/run sets it: what is skipped elsewhere must run there


def default_signals() -> None:
    """What the caller of the tests ignores or blocks (nohup, a shell's &, a service) is not what a user's shell does."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGTSTP,
        signal.SIGTTIN,
        signal.SIGTTOU,
    ):
        signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGCHLD, signal.SIGWINCH):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


default_signals()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--slow"):
        os.environ["PROJ_TEST_MANY"] = "1"  # also for the workers of pytest-xdist
    # the same examples each time, however slow the machine is: fuzz.sh looks for others
    settings.register_profile(
        "tests",
        deadline=None,
        derandomize="PROJ_FUZZ_SEED" not in os.environ,
        max_examples=examples(100),
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("tests")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """`-n auto`: more than there are processors, as many tests wait for a process, a time-out or a reader."""
    return 4 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow") or IN_CI:
        return
    skip = pytest.mark.skip(reason="slow: run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Where everything must run, a skipped test is a failed one; only another operating system excuses it."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not reason.removeprefix("Skipped: ").startswith("only on "):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} was skipped though everything must run here: {reason}"
    return report


@pytest.fixture(scope="session", autouse=True)
def _session_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One uv cache for the session, so that packages are fetched once."""
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        if name.startswith(
            ("PROJ_", "MLFLOW_", "GIT_", "VIRTUAL_ENV", "CONDA_", "PYTHONPATH")
        ) and not name.startswith(("PROJ_TEST_", "PROJ_CORPUS", "GIT_SSL")):
            patch.delenv(name)
    if "UV_CACHE_DIR" not in os.environ:
        patch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp().parent / "uv-cache"))
    if "/shims/" in (
        shutil.which("python3") or ""
    ):  # pyenv's: a script that takes longer than most tests' runs
        patch.setenv("PATH", os.path.dirname(os.path.realpath(sys.executable)), prepend=os.pathsep)
    patch.setenv("GIT_ALLOW_PROTOCOL", "file")
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for role in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{role}_NAME", "Ada")
        patch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def home(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A home folder and PROJ_HOME of the test's own, removed at its end; the working folder is outside the repository."""
    folder = os.path.join(str(tmp_path), "home")
    work = os.path.join(str(tmp_path), "work")
    os.makedirs(folder)
    os.makedirs(work)
    monkeypatch.setenv("HOME", folder)
    monkeypatch.setenv("PROJ_HOME", os.path.join(folder, "proj"))
    monkeypatch.chdir(work)
    yield folder
    shutil.rmtree(os.path.join(folder, "proj"), ignore_errors=True)
