"""What machine this is: host, system, processors, memory, CI job. Read from files; nothing is started."""

from __future__ import annotations

import os
import stat
from functools import cache

from runner.host import process
from runner.values import JsonObject

__all__ = ["boot_id", "ci", "cores", "describe", "identity", "pid_namespace", "standard_input"]


@cache
def boot_id() -> str:
    """Changes with each start of the machine; "" where the system does not tell."""
    return _first_line("/proc/sys/kernel/random/boot_id")


def pid_namespace() -> str:
    """What tells our process ids from those of another container; "" where there is no such thing."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def identity() -> JsonObject:
    """This process as the `supervisor` event of a run names it, so that a later reader can tell whether it lives."""
    return {
        "pid": os.getpid(),
        "pid_start": process.pid_start(os.getpid()),
        "boot_id": boot_id(),
        "host": os.uname().nodename,
        "pid_namespace": pid_namespace(),
    }


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe() -> JsonObject:
    """For the record: memory in bytes; what is not known is left out."""
    system = os.uname()
    facts: JsonObject = {
        "host": system.nodename,
        "os": f"{system.sysname} {system.release} {system.machine}",
        "cpu": _cpu(),
        "cores": cores(),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "distribution": _distribution(),
    }
    job = ci()
    if job:
        facts["ci"] = job
    return {key: value for key, value in facts.items() if value}


def ci() -> dict[str, str]:
    """The CI provider, the address of its job and the branch, from the variables that each documents."""
    given = os.environ.get
    if given("GITHUB_ACTIONS"):
        repository = f"{given('GITHUB_SERVER_URL', '')}/{given('GITHUB_REPOSITORY', '')}"
        url = f"{repository}/actions/runs/{given('GITHUB_RUN_ID', '')}"
        return _known(
            provider="GitHub Actions", url=url, branch=given("GITHUB_HEAD_REF") or given("GITHUB_REF_NAME")
        )
    for mark, provider, address in (
        ("GITLAB_CI", "GitLab CI", "CI_JOB_URL"),
        ("JENKINS_URL", "Jenkins", "BUILD_URL"),
        ("CIRCLECI", "CircleCI", "CIRCLE_BUILD_URL"),
        ("BUILDKITE", "Buildkite", "BUILDKITE_BUILD_URL"),
        ("TRAVIS", "Travis CI", "TRAVIS_BUILD_WEB_URL"),
        ("TF_BUILD", "Azure Pipelines", "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI"),
        ("BITBUCKET_BUILD_NUMBER", "Bitbucket Pipelines", "BITBUCKET_GIT_HTTP_ORIGIN"),
        ("TEAMCITY_VERSION", "TeamCity", "BUILD_URL"),
        ("DRONE", "Drone", "DRONE_BUILD_LINK"),
        ("WOODPECKER", "Woodpecker", "CI_PIPELINE_URL"),
        ("CI", "CI", ""),
    ):
        if given(mark):
            branch = given("CI_COMMIT_BRANCH") or given("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME")  # of GitLab
            return _known(provider=provider, url=given(address, "") if address else "", branch=branch)
    return {}


def _known(branch: str | None, **facts: str) -> dict[str, str]:
    return {**facts, "branch": branch} if branch else facts


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith(("model name", "Model")):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""


def _distribution() -> str:
    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("PRETTY_NAME="):
                    return line.partition("=")[2].strip().strip('"')
    except OSError:
        pass
    return ""


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().strip()
    except OSError:
        return ""


def standard_input() -> str:
    """What our standard input is, and so the command's: terminal, pipe, file, null (also a closed one) or other."""
    try:
        status = os.fstat(0)
    except OSError:
        return "null"
    if stat.S_ISCHR(status.st_mode):
        null = status.st_rdev == os.stat(os.devnull).st_rdev
        return "null" if null else "terminal" if os.isatty(0) else "other"
    if stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode):
        return "pipe"
    return "file" if stat.S_ISREG(status.st_mode) else "other"
