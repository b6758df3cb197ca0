"""A run that ended for want of a package: where to name it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runner.parameters.shell import quote
from runner.tracking.output import last_lines

if TYPE_CHECKING:
    from runner.tracking.fold import Run

__all__ = ["advice"]

MISSING = re.compile(r"^ModuleNotFoundError: No module named '([\w.]+)'$", re.MULTILINE)


def advice(run: Run, directory: str) -> str:
    """What to type; "" where the end of the output tells of no missing package. `directory`: of the record."""
    found = MISSING.findall("\n".join(last_lines(directory)))
    folder = str(run.sections.get("command", {}).get("directory", ""))
    if not found or not folder:
        return ""
    from runner.scaffold.packages import PACKAGES, is_own

    module = found[-1].split(".")[0]
    package = PACKAGES.get(module, module)
    if not package or is_own(module, folder):
        return ""
    environment = run.sections.get("environment", {})
    file = str(environment.get("file", ""))
    kind = environment.get("kind")
    if kind != "conda" and file.endswith((".yaml", ".yml")) and not file.endswith("python_env.yaml"):
        return f"{package} was not found: of {file} only the pip part is read here; --env-manager conda reads all"
    if file and kind != "system":
        return f"{file} does not name {package}, which was not found"
    return (
        f"no file says which packages this needs:  printf '%s\\n' {quote(package)} >> requirements.txt"
        "  (proj makes an environment of it)"
    )
