"""What makes linked packages an environment: their metadata, their post-link scripts, their activation as data."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from runner.errors import EnvironmentFailure
from runner.host import process
from runner.text.credentials import redact
from runner.values import JsonMapping, JsonObject

__all__ = ["activation", "complete", "python_version"]

FROM_PACKAGE = (
    *("arch", "build_number", "constrains", "depends", "features", "license", "license_family"),
    *("noarch", "platform", "python_site_packages_path", "timestamp", "track_features"),
)
# what a shell itself sets, or what is ours to set
NOT_TAKEN = (
    *("_", "SHLVL", "PWD", "OLDPWD", "PATH", "HOME", process.MARK),
    *("CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CONDA_SHLVL"),
)
END = "\0proj-activated\0"


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def python_version(prefix: str) -> str:
    """By the records of conda-meta/; "" where no Python is installed."""
    for name in _listed(os.path.join(prefix, "conda-meta")):
        if name.startswith("python-3") and name.endswith(".json"):
            return name.split("-")[1]
    return ""


def complete(prefix: str) -> None:
    """Puts what packages say of themselves into conda-meta, and runs their post-link scripts, dependencies first.

    Credentials in the addresses that they were fetched from are taken out.
    """
    records: dict[str, JsonObject] = {}
    folder = os.path.join(prefix, "conda-meta")
    for name in _listed(folder):
        path = os.path.join(folder, name)
        if not name.endswith(".json"):
            continue
        record = _json(path)
        index = _json(os.path.join(str(record.get("extracted_package_dir") or ""), "info", "index.json"))
        record |= {key: index[key] for key in FROM_PACKAGE if index.get(key) is not None}
        record |= {key: redact(str(record[key])) for key in ("url", "channel") if record.get(key)}
        records[str(record["name"])] = record
        with open(path, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=2)
    for name in _ordered(records):
        _post_link(prefix, records[name])


def _ordered(records: Mapping[str, JsonMapping]) -> list[str]:
    """Names, each after those that it depends on; a circle is broken somewhere."""
    found: list[str] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in seen or name not in records:
            return
        seen.add(name)
        for each in records[name].get("depends") or ():
            visit(str(each).split()[0])
        found.append(name)

    for name in sorted(records):
        visit(name)
    return found


def _post_link(prefix: str, record: JsonMapping) -> None:
    name = str(record["name"])
    script = os.path.join(prefix, "bin", f".{name}-post-link.sh")
    if not os.path.isfile(script):
        return
    variables = {
        "PREFIX": prefix,
        "CONDA_PREFIX": prefix,
        "PKG_NAME": name,
        "PKG_VERSION": str(record.get("version", "")),
        "PKG_BUILDNUM": str(record.get("build_number", 0)),
        "PATH": os.path.join(prefix, "bin") + os.pathsep + os.environ.get("PATH", os.defpath),
    }
    done = process.run(["bash", script], cwd=prefix, variables=variables)
    if done.code:
        said = (done.err.strip() or done.out.strip())[-2000:]
        raise EnvironmentFailure(
            f"the post-link script of {name} failed:\n{said}", "report it to the package's maintainers"
        )


def activation(prefix: str, variables: Mapping[str, str]) -> tuple[dict[str, str], list[str], list[str]]:
    """What activating the environment does: (variables, folders put before PATH, warnings).

    The packages' activate.d scripts are run once, in bash, from an almost empty environment; what they change is
    kept as data.
    """
    found = {**_package_variables(prefix), **variables}
    folder = os.path.join(prefix, "etc", "conda", "activate.d")
    scripts = sorted(os.path.join(folder, name) for name in _listed(folder) if name.endswith(".sh"))
    if not scripts:
        return found, [], []
    path = os.path.join(prefix, "bin") + os.pathsep + os.environ.get("PATH", os.defpath)
    kept = {
        name: os.environ[name] for name in ("HOME", "USER", "LANG", "LC_ALL", "TMPDIR") if name in os.environ
    }
    before = {
        **kept,
        **found,
        "PATH": path,
        "CONDA_PREFIX": prefix,
        "CONDA_DEFAULT_ENV": prefix,
        "CONDA_SHLVL": "1",
    }
    # the scripts' own output does not come between: what counts follows the mark
    program = 'for script in "$@"; do . "$script"; done; printf "%b" "\\0proj-activated\\0"; env -0'
    variables_then: dict[str, str | None] = dict.fromkeys(os.environ)
    done = process.run(
        ["bash", "-c", program, "activate", *scripts], cwd=prefix, variables={**variables_then, **before}
    )
    warnings = [f"activation: {line}" for line in done.err.splitlines()[:5]]
    text = done.out.partition(END)[2]
    if done.code or not text:
        names = ", ".join(os.path.basename(script) for script in scripts)
        return found, [], [f"the activation scripts failed ({names})", *warnings]
    after = dict(item.partition("=")[::2] for item in text.split("\0") if "=" in item)
    for name, value in after.items():
        if before.get(name) != value and name not in NOT_TAKEN and not name.startswith("BASH_FUNC"):
            found[name] = value
    folders = after.get("PATH", path).removesuffix(path).split(os.pathsep)
    return found, [each for each in folders if each], warnings


def _package_variables(prefix: str) -> dict[str, str]:
    """What packages set without a script: etc/conda/env_vars.d/*.json."""
    folder = os.path.join(prefix, "etc", "conda", "env_vars.d")
    found: dict[str, str] = {}
    for name in sorted(_listed(folder)):
        if name.endswith(".json"):
            found |= {str(key): str(value) for key, value in _json(os.path.join(folder, name)).items()}
    return found


def _json(path: str) -> JsonObject:
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
