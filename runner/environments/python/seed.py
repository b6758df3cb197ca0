"""The pip that every environment has, as MLflow's have: virtualenv's own wheel, so no network is needed."""

from __future__ import annotations

import os
import re

from runner.environments.python import interpreters
from runner.host import files, memo

__all__ = ["pip_version", "pip_wheel"]

# In an environment without one, a command that calls `pip` would install into the next Python on PATH.


def pip_wheel(python: str) -> str:
    """Path of the newest bundled pip that runs on this version of Python; "" when there is none."""
    from importlib.util import find_spec

    spec = find_spec("virtualenv")
    if spec is None or not spec.origin:
        return ""
    folder = os.path.join(os.path.dirname(spec.origin), "seed", "wheels", "embed")
    known = memo.recall("pip", f"{folder} for {python}")
    if known is None:
        began = files.now()
        known = _newest(folder, python)
        memo.keep("pip", f"{folder} for {python}", [folder], known, began)
    return str(known)


def _newest(folder: str, python: str) -> str:
    try:
        names = [name for name in os.listdir(folder) if name.startswith("pip-") and name.endswith(".whl")]
    except OSError:
        return ""
    for name in sorted(names, key=lambda each: interpreters.numbers(each[4:]), reverse=True):
        if interpreters.matches(python, _requires(os.path.join(folder, name))):
            return os.path.join(folder, name)
    return ""


def pip_version(python: str) -> str:
    """`pip-24.0`: of the wheel that is put into an environment for this Python."""
    return os.path.basename(pip_wheel(python)).removesuffix("-py3-none-any.whl")


def _requires(wheel: str) -> str:
    import zipfile

    with zipfile.ZipFile(wheel) as archive:
        name = next(each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode("utf-8", "replace")
    found = re.search(r"^Requires-Python: (.*)$", metadata, re.MULTILINE)
    return found[1].strip() if found else ""
